"""Champion and challenger on the same windows: whether a sweep's best is to be in service."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cluster.errors import ClusterError, StorageAwayError
from cluster.storage import SweepFolder
from jobs.built import Built
from jobs.comparison import DRAWS, Comparison, Windows, compare
from jobs.errors import JobError
from jobs.metrics import Loss, Metrics
from jobs.panel import Indices, Panel
from jobs.parts import parts_of
from jobs.scaling import Scaling
from jobs.signature import Signature
from jobs.spec import Job
from runner.launch import read_spec
from runner.predict import Best
from runner.quiet import start_keras
from runner.recurring.likeness import Differences, differences
from runner.words import counted

if TYPE_CHECKING:  # which needs Keras
    from jobs.forecast import Served

_LOSSES = {"mse": "mse", "mae": "mae", "huber": "huber", "quantile": "pinball"}
_NAIVE = "seasonal_naive"


@dataclass(frozen=True)
class Contest:
    """What came of it.

    Attributes:
        metric: by which it was decided, of the objective's kind, in scaled units.
        windows, series: on which.
        scores: of ``challenger``, ``champion`` (where there is one that can be scored) and
            ``seasonal_naive``, by metric; None: not finite.
        improvement: the share of the champion's error that the challenger's is below it.
        confidence: that it is more than the margin; None where that was not asked, or cannot be said.
        interval: of the improvement.
        promoted: whether the challenger is to be in service.
        reason: why, in a sentence.
    """

    metric: str
    windows: int
    series: int
    scores: Mapping[str, Mapping[str, float | None]]
    promoted: bool
    reason: str
    improvement: float | None = None
    confidence: float | None = None
    interval: tuple[float, float] | None = None

    def to_json(self) -> dict[str, Any]:
        """As history and commands show it."""
        return asdict(self)

    def in_service(self) -> dict[str, Any]:
        """The scores of a challenger that is promoted, as ``Champion.scores`` has them."""
        return {"model": self.scores.get("challenger"), _NAIVE: self.scores.get(_NAIVE)}


@dataclass(frozen=True)
class _Result:
    """What both did on the same windows."""

    job: Job
    challenger: str
    loss: Loss
    found: Mapping[str, Metrics]
    where: Windows

    def mean(self, name: str) -> float:
        return self.found[name].means()[self.loss.name]

    def contest(self, reason: str, *, promoted: bool, judged: Comparison | None = None) -> Contest:
        return Contest(
            metric=self.loss.name,
            windows=len(self.where.series),
            series=len(np.unique(self.where.series)),
            scores={name: _finite(metrics.means()) for name, metrics in self.found.items()},
            promoted=promoted,
            reason=reason,
            improvement=judged.improvement if judged else None,
            confidence=judged.confidence if judged else None,
            interval=judged.interval if judged else None,
        )


def hold_contest(
    job: Job,
    panel: Panel,
    challenger: SweepFolder,
    champion: SweepFolder | None,
    alive: Callable[[], None] = lambda: None,
) -> Contest:
    """Score a challenger, the champion and the seasonal naive forecast on the newest test windows.

    Args:
        job: the challenger's, or the one that it was made from, whose ``promote`` says what it takes.
        panel: the job's.
        challenger: its sweep, with a published best.
        champion: the sweep of the model in service; None before there is one.
        alive: is called now and then, as long as it goes on.

    Raises:
        ClusterError: the challenger is not whole, or the storage does not answer.
        JobError: the challenger is not of the job and panel.
    """
    start_keras(job.backend)
    # The sweep's own, which knows what a user's function was found to build, by the rules of now.
    job = read_spec(challenger).model_copy(update={"promote": job.promote})
    best = Best.read(challenger, job)
    wrong = differences(best.signature, job, panel)
    if wrong:
        raise JobError(f"sweep {challenger.name} is not of this job and its data: {wrong.said}")
    models, lost, unfit = {"challenger": best.serve(panel)}, "", Differences(())
    if champion is not None:
        try:
            theirs = Best.read(champion, read_spec(champion))
            unfit = differences(theirs.signature, job, panel)
            if not unfit:
                models["champion"] = theirs.serve(panel)
        except StorageAwayError:
            raise
        except (ClusterError, JobError) as error:
            lost = f"; the champion, sweep {champion.name}, cannot be read ({error})"
    found = _score(job, panel, challenger.name, models, best.signature, alive)
    if found is None:
        return _untested(job, challenger, panel)
    if unfit and champion is not None:
        way_out = f"to replace it type: recur promote NAME --sweep {challenger.name}"
        if unfit.outputs:
            way_out = "its readers count on that: add another schedule for this job"
        reason = f"the champion, sweep {champion.name}, cannot be compared: {unfit.said}; {way_out}"
        return found.contest(reason, promoted=False)
    return _by_naive(found, lost) if "champion" not in models else _by_champion(found)


def loss_of(job: Job) -> Loss:
    """What the job's objective is made of; the squared error, where only the user's own code knows that."""
    if job.search.objective != "val_loss":
        return Loss(job.search.objective.removeprefix("val_"))
    compiled = job.model.found and job.model.found.compiled if isinstance(job.model, Built) else None
    name = compiled.loss if compiled else job.train.loss
    return Loss(_LOSSES.get(str(name), "mse"), job.train.quantile)


def _score(
    job: Job,
    panel: Panel,
    challenger: str,
    models: Mapping[str, Served],
    signature: Signature,
    alive: Callable[[], None],
) -> _Result | None:
    from jobs.forecast import Ground, score_at, scored_origins

    parts, season = parts_of(job, panel), job.data.season or panel.season()
    stride = job.window.evaluation_stride
    windows = [replace(each.cutter.window, evaluation_stride=stride) for each in models.values()]
    origins = scored_origins(parts, *windows)
    if not len(origins):
        return None
    loss = loss_of(job)
    ground = Ground.of(panel, parts, Scaling(**signature["scaling"]), season, loss)
    found = score_at(origins, models, ground, alive)
    where = _where(panel, origins[: len(origins)], windows[0].horizon, season)
    return _Result(job, challenger, loss, found, where)


def _where(panel: Panel, origins: Indices, horizon: int, season: int) -> Windows:
    series = np.searchsorted(panel.offsets, origins, side="right") - 1
    times = np.asarray(panel.times)[origins]
    return Windows(series, (times - times.min()) // max(panel.step(), 1), horizon, season)


def _untested(job: Job, challenger: SweepFolder, panel: Panel) -> Contest:
    return Contest(
        metric=loss_of(job).name,
        windows=0,
        series=len(panel.series),
        scores={},
        promoted=False,
        reason="there is no test window (data.split.test) on which both could be scored; to promote it type: "
        f"recur promote NAME --sweep {challenger.name}",
    )


def _by_naive(result: _Result, lost: str) -> Contest:
    """Without a champion a model is in service if it is of any use."""
    ours, naive, metric = result.mean("challenger"), result.mean(_NAIVE), result.loss.name
    better = math.isfinite(ours) and ours < naive
    first = "" if lost else "the first champion: " if better else "no champion yet: "
    side = "below" if better else "not below"
    return result.contest(
        f"{first}{metric} {ours:.4g} is {side} the seasonal naive forecast's {naive:.4g}{lost}",
        promoted=better,
    )


def _by_champion(result: _Result) -> Contest:
    ours, theirs, metric = result.mean("challenger"), result.mean("champion"), result.loss.name
    figures = f"{metric} {ours:.4g} against the champion's {theirs:.4g}"
    if not math.isfinite(ours):
        return result.contest(f"{figures}: the challenger's forecasts are no numbers", promoted=False)
    if not math.isfinite(theirs):
        return _by_naive(result, "; the champion's forecasts are no numbers")
    rules = result.job.promote
    judged = compare(
        result.found["challenger"].losses(),
        result.found["champion"].losses(),
        result.where,
        margin=rules.margin,
        asked=rules.confidence,
        seed=result.job.search.seed,
    )
    promoted = judged.improvement > rules.margin and (judged.confidence or 0) >= rules.confidence
    return result.contest(f"{figures}, {_verdict(judged, result.job)}", promoted=promoted, judged=judged)


def _verdict(judged: Comparison, job: Job) -> str:
    rules, change = job.promote, judged.improvement
    margin = f"the margin of {_percent(rules.margin)}"
    apart = f"{_percent(abs(change))} {'above' if change < 0 else 'below'}"
    if change <= rules.margin:
        return f"{apart}, and not below by more than {margin}"
    if judged.confidence is None:
        return f"{apart}; {counted(judged.blocks, 'block')} of windows cannot tell that from chance"
    return (
        f"{apart}; {_percent(judged.confidence)} of {DRAWS:,} block bootstraps are below by more than "
        f"{margin}, and {_percent(rules.confidence)} are asked for"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _finite(means: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in means.items()}
