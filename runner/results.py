"""What a journal says: the trials, the best of them, the state of the sweep."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cluster.errors import ClusterError
from jobs.fidelity import PASSES, Fidelity
from jobs.names import NAME
from runner.diagnosis import diagnose
from runner.history import History
from runner.hopeless import FIRST, gives_up
from runner.journal import Event

if TYPE_CHECKING:  # what reads a journal is to start at once
    from jobs.space import Values

STATES = ("done", "running", "paused", "stopped_early", "diverged", "failed", "pending")
ENDED = frozenset({"done", "stopped_early", "diverged", "failed"})


@dataclass
class Trial:
    """One configuration and what came of it; people are shown its epochs as ``passes``.

    Attributes:
        values: what it trains with now; ``earlier``: what it trained with before it took over another
            trial's, each with the last epoch that it did so.
        score, epoch: the best seen so far and its epoch; ``score`` None before the first finite result.
        epochs_trained: the last epoch that reported.
        rung: the last epoch at which the scheduler had to decide, 0 before the first.
        history: every result.
        gpu, cpu: the share of a card, and the cores, that it was given because the job's were too little.
        losses: how often it has lost its worker; ``stuck``: since its last result, not with
            its whole node; ``late``: because it took too long;
            ``lost``: how, at last; ``forgiven``: the seconds that it had trained by then.
        off_cudnn: why it runs without cuDNN's kernels on a GPU; None if it does not.
        first_vitals, vitals: of the first and of the last epoch, see ``jobs.report.EpochReport``.
    """

    id: str
    number: int
    values: Values
    earlier: list[tuple[int, Values]] = field(default_factory=list)
    state: str = "pending"
    score: float | None = None
    epoch: int | None = None
    epochs_trained: int = 0
    rung: int = 0
    seconds: float = 0.0
    error: str | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)
    history: History = field(default_factory=History)
    first_vitals: dict[str, float | None] = field(default_factory=dict)
    vitals: dict[str, float | None] = field(default_factory=dict)
    fidelity: Fidelity = PASSES
    gpu: float | None = None
    cpu: int | None = None
    losses: int = 0
    stuck: int = 0
    late: int = 0
    lost: str | None = None
    forgiven: float = 0.0
    off_cudnn: str | None = None

    def passes(self, epochs: int | None) -> int | float | None:
        """So many epochs, as people are shown them."""
        return None if epochs is None else self.fidelity.passes(epochs)

    def values_at(self, epoch: int) -> Values:
        """The hyperparameters that it trained that epoch with."""
        return next((values for last, values in self.earlier if epoch <= last), self.values)

    @property
    def best_values(self) -> Values:
        """The hyperparameters of its best epoch, shown with its score; before there is one, the present."""
        return self.values if self.epoch is None else self.values_at(self.epoch)

    @property
    def spread(self) -> float | None:
        """The standard deviation of the best score over the folds; None where there is one fold."""
        return self.metrics.get("score_spread")

    @property
    def eligible(self) -> bool:
        """Whether it may be the best: it has a score, and did not fail with its checkpoint."""
        return self.score is not None and self.state != "failed"

    @property
    def diagnosis(self) -> str | None:
        """What ails it, in words."""
        words = [diagnose(self.first_vitals, self.vitals, self.state)]
        words.append(f"slower than by cuDNN: {self.off_cudnn}" if self.off_cudnn else None)
        words.append(f"ran out of GPU memory, given {self.gpu:g} of a card" if self.gpu else None)
        words.append(f"ran out of memory, given the room of {self.cpu} cores" if self.cpu else None)
        if self.losses:
            words.append(f"lost its worker {self.losses} time{'s' * (self.losses > 1)}: {self.lost}")
        return "; ".join(filter(None, words)) or None

    def rank(self) -> tuple[float, int]:
        """Sorts trials from the best; the earlier of two that are equal."""
        return (float("inf") if self.score is None else self.score, self.number)

    def to_json(self) -> dict[str, Any]:
        """The trial as ``recur trials --json`` shows it."""
        return {
            "id": self.id,
            "state": self.state,
            "score": self.score,
            "spread": self.spread,
            "epoch": self.passes(self.epoch),
            "epochs_trained": self.passes(self.epochs_trained),
            "rung": self.passes(self.rung),
            "seconds": round(self.seconds, 3),
            "hyperparameters": self.best_values,
            "vitals": self.vitals,
            "diagnosis": self.diagnosis,
            "error": self.error,
        }


def check_id(trial: Any) -> None:
    """See that a trial's id is one that may be a folder's name: files are read and deleted by it.

    Raises:
        ClusterError: it is not.
    """
    if not isinstance(trial, str) or not NAME.fullmatch(trial):
        raise ClusterError(
            f"the journal names a trial {str(trial)[:80]!r}, as Recur names none; it is not read: restore it "
            "from a copy, or begin again with --fresh"
        )


class Results:
    """The state that a journal's events add up to; the live sweep and every reader use this same one.

    Attributes:
        first: the trials that ended first, as many as tell whether there is hope.
        hopeless: whether they told that there is none; only a retry takes that back.
        versions, fingerprint, code: of what ran the sweep at last, of its data and the user's modules then.
        scored: the event of that name, the latest.
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        """Add up ``events``."""
        self.trials: dict[str, Trial] = {}
        self.numbered: list[str] = []
        self.planned: int | None = None
        self.fidelity = PASSES
        self.ended = 0
        self.failed = 0
        self.first: list[str] = []
        self.hopeless = False
        self.state = "interrupted"
        self.seconds = 0.0
        self.versions: dict[str, str] = {}
        self.fingerprint: str | None = None
        self.code: str | None = None
        self.scored: Event | None = None
        self._began: float | None = None
        self._last = 0.0
        for event in events:
            self.apply(event)

    def apply(self, event: Event) -> None:
        """Add one event; one of a later version, that an older reader can do without, changes nothing."""
        self._clock(event)
        match event["event"]:
            case "start":
                self.state = "running"
                self.planned = event.get("planned")
                self.fidelity = Fidelity(**event.get("fidelity", {}))
                self.versions = event.get("versions", {})
                self.fingerprint, self.code = event.get("fingerprint"), event.get("code")
                self._suspend_running()
            case "finish":
                self.state = event["state"]
                self._suspend_running()
            case "scored":
                self.scored = event
            case "trial":
                self._add(event["trial"], event["number"], event["values"], event.get("off_cudnn"))
                self.numbered.append(event["trial"])
            case "result":
                self._result(event)
            case kind if event.get("trial") in self.trials:
                self._move(self.trials[event["trial"]], kind, event)

    def _add(self, trial: str, number: int, values: Values, off_cudnn: str | None) -> None:
        check_id(trial)
        self.trials[trial] = Trial(trial, number, values, fidelity=self.fidelity, off_cudnn=off_cudnn)

    def _move(self, trial: Trial, kind: str, event: Event) -> None:
        """A trial goes on, waits or ends."""
        match kind:
            case "leg":
                trial.state = "running"
            case "pause":
                trial.state = "paused"
            case "lost":
                trial.state, trial.lost, trial.forgiven = "paused", event["error"], trial.seconds
                trial.losses, trial.stuck = trial.losses + 1, trial.stuck + (not event.get("node", False))
                trial.late += event["timeout"]
            case "grow":
                trial.state, trial.gpu, trial.cpu = "paused", event.get("gpu"), event.get("cpu")
            case "exploit":
                trial.earlier.append((trial.epochs_trained, trial.values))
                trial.state, trial.values = "paused", event["values"]
            case "end":
                trial.state, trial.error = event["state"], event["error"]
                self.ended += 1
                self.failed += trial.state == "failed"
                self.first += [trial.id] * (len(self.first) < FIRST)
                self.hopeless = self.hopeless or gives_up(self)
            case "retry":
                self._add(trial.id, trial.number, trial.values, trial.off_cudnn)
                self.ended, self.failed = self.ended - 1, self.failed - 1
                self.first = [first for first in self.first if first != trial.id]
                self.hopeless = False

    def mark_interrupted(self) -> None:
        """Whoever ran the sweep died without a word."""
        self.state = "interrupted"
        self._suspend_running()

    def _clock(self, event: Event) -> None:
        now = event.get("time")
        if now is None:
            return
        if event["event"] == "start":
            self._began = now
        elif self._began is not None:
            self.seconds += max(0.0, now - max(self._last, self._began))
        self._last = now

    def _suspend_running(self) -> None:
        """A new process, or the end of one: whatever was running is so no more."""
        for trial in self.trials.values():
            if trial.state == "running":
                trial.state = "paused" if trial.epochs_trained else "pending"

    def _result(self, event: Event) -> None:
        trial = self.trials[event["trial"]]
        trial.history.append(event["epoch"], event["score"], event["seconds"])
        trial.epochs_trained, trial.stuck = event["epoch"], 0
        trial.seconds += event["seconds"]
        trial.vitals = event.get("vitals", {})
        trial.first_vitals = trial.first_vitals or trial.vitals
        if event["rung"]:
            trial.rung = event["epoch"]
        if event["best_score"] is not None and (trial.score is None or event["best_score"] < trial.score):
            trial.score, trial.epoch = event["best_score"], event["best_epoch"]
            trial.metrics = event["metrics"]

    def ranked(self) -> list[Trial]:
        """Trials that may be the best, the best first."""
        return sorted((trial for trial in self.trials.values() if trial.eligible), key=Trial.rank)

    def best(self) -> Trial | None:
        """The trial with the best epoch that was seen, whatever became of it, but for failed ones."""
        return min((t for t in list(self.trials.values()) if t.eligible), key=Trial.rank, default=None)

    def counts(self) -> dict[str, int]:
        """Trials in each state."""
        found = Counter(trial.state for trial in self.trials.values())
        return {state: found[state] for state in STATES}

    def epochs_trained(self) -> int | float:
        """Epochs of all trials together, as people are shown them."""
        return self.fidelity.passes(sum(trial.epochs_trained for trial in list(self.trials.values())))

    def failures(self) -> list[Trial]:
        """Trials that failed, in order."""
        return [trial for trial in self.trials.values() if trial.state == "failed"]


def trials_parquet(results: Results) -> bytes:
    """The table of trials, a column ``hp.<name>`` for every searched hyperparameter, of the best epoch."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    trials = sorted(results.trials.values(), key=lambda trial: trial.number)
    epochs = pa.int64() if results.fidelity.per_pass == 1 else pa.float64()
    columns: dict[str, Any] = {
        "id": pa.array([t.id for t in trials], pa.string()),
        "state": pa.array([t.state for t in trials], pa.string()),
        "rung": pa.array([t.passes(t.rung) for t in trials], epochs),
        "score": pa.array([t.score for t in trials], pa.float64()),
        "spread": pa.array([t.spread for t in trials], pa.float64()),
        "epoch": pa.array([t.passes(t.epoch) for t in trials], epochs),
        "epochs_trained": pa.array([t.passes(t.epochs_trained) for t in trials], epochs),
        "seconds": pa.array([t.seconds for t in trials], pa.float64()),
    }
    values = [trial.best_values for trial in trials]
    for name in dict.fromkeys(name for each in values for name in each):
        columns[f"hp.{name}"] = _column([each.get(name) for each in values])
    columns["diagnosis"] = pa.array([t.diagnosis for t in trials], pa.string())
    columns["error"] = pa.array([t.error for t in trials], pa.string())
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def _column(values: list[Any]) -> Any:
    """An Arrow array of one type; choices of mixed types are written as text."""
    import pyarrow as pa

    kinds = {type(value) for value in values if value is not None}
    if len(kinds) > 1 and not kinds <= {int, float}:
        values = [None if value is None else str(value) for value in values]
    return pa.array(values)
