"""Training one configuration, an epoch at a time, until it is told to stop or has learnt all it can."""

from __future__ import annotations

import math
import resource
import sys
import time
from dataclasses import dataclass, replace
from typing import Any, Literal

from jobs.checkpoint import Arrays, Progress, TrainState, model_bytes
from jobs.feed import batches_of, shuffled
from jobs.learner import Learner, Pass, Validation
from jobs.models import build_forecaster
from jobs.panel import Panel
from jobs.params import Params
from jobs.report import EpochReport, Hooks
from jobs.schedules import PLATEAU_FACTOR, constant, cosine, plateaus
from jobs.windows import Parts, Scaler, fit_scaler, make_windows

_KINDS = ("compile", "data", "train", "validate", "checkpoint")
_SAVE_SECONDS = 30.0  # of work that a killed machine may cost a trial between its milestones


@dataclass(frozen=True)
class Task:
    """One trial's work.

    Attributes:
        milestones: epochs at which the trial waits for a decision; its state is saved before it asks.
        scaler: of the training part, if it is known already.
    """

    params: Params
    panel: Panel
    parts: Parts
    seed: int
    milestones: frozenset[int] = frozenset()
    scaler: Scaler | None = None


class _Leave(Exception):  # noqa: N818 - it carries no error
    """Unwinds an epoch."""


def train(task: Task, hooks: Hooks, resume_from: bytes | None = None, known_epochs: int = 0) -> None:
    """Train until done, stopped or interrupted; everything it finds goes through ``hooks``.

    Going on from a state that is ahead of the ``known_epochs`` its listener has heard of, it first tells the
    rest again.

    Raises:
        JobError: ``resume_from`` does not belong to this task.
    """
    trial = _Trial(task, hooks)
    try:
        if resume_from is not None:
            trial.restore(TrainState.from_bytes(resume_from), known_epochs)
        while True:
            trial.epoch()
    except _Leave:
        return


class _Trial:
    """Runs epochs; keeps the best one's weights, saves, reports, and ends the trial when it is time."""

    def __init__(self, task: Task, hooks: Hooks) -> None:
        self._task, self._hooks = task, hooks
        self._windows = make_windows(task.parts, task.params.window)
        scaler = task.scaler or fit_scaler(task.panel, task.parts)
        self._scaler = None if task.params.window.scale == "none" else scaler
        self._learner = Learner(task.params, task.panel, self._scaler, task.seed)
        self._progress = Progress()
        self._state: TrainState | None = None
        self._best: Arrays = []
        self._saved_best = 0
        self._saved_at = time.monotonic()
        self._prepared: tuple[int, int] | None = None

    def restore(self, state: TrainState, known_epochs: int) -> None:
        """Put a saved state in place of the fresh one and tell what was not heard before.

        Raises:
            JobError: it belongs to another network.
        """
        self._learner.arrays = state.now
        self._progress, self._best, self._state = state.progress, state.best, state
        self._saved_best = state.progress.best_epoch
        for report in state.reports:
            if report.epoch > known_epochs:
                self._tell(report)

    def epoch(self) -> None:
        """Train and validate once, judge, save what the decision may need, report; leave if it was the last.

        Raises:
            _Leave: the trial is over, or is to go on elsewhere.
        """
        began = time.perf_counter()
        self._prepare()
        order = shuffled(self._windows.train, seed=self._task.seed, epoch=self._progress.epoch)
        passed = self._learner.train(order, self._rates, self._leave_if_asked)
        found = None
        if math.isfinite(passed.loss):
            found = self._learner.evaluate(self._windows.validation, self._leave_if_asked)
        self._judge(passed, found, began)

    def _prepare(self) -> None:
        """Compile for the work between the milestones round this epoch."""
        epoch, last = self._progress.epoch, self._task.params.train.max_epochs
        before = max((m for m in self._task.milestones if m <= epoch), default=0)
        after = min((m for m in self._task.milestones if m > epoch), default=last)
        if self._prepared != (before, after):
            epochs = after - before
            self._learner.expect(epochs * len(self._windows.train), epochs * len(self._windows.validation))
            self._prepared = (before, after)

    def _rates(self, first: int, count: int) -> Any:
        chosen = self._task.params.train
        match chosen.schedule:
            case "cosine":
                total = chosen.max_epochs * batches_of(len(self._windows.train), chosen.batch_size)
                return cosine(chosen.learning_rate, first, count, total)
            case "reduce_on_plateau":
                scores = [report.score for report in (self._state.reports if self._state else ())]
                return constant(chosen.learning_rate * PLATEAU_FACTOR ** plateaus(scores), count)
            case _:
                return constant(chosen.learning_rate, count)

    def _leave_if_asked(self) -> None:
        if self._hooks.interrupted():
            self._save()
            raise _Leave

    def _judge(self, passed: Pass, found: Validation | None, began: float) -> None:
        chosen = self._task.params.train
        metrics = _metrics(chosen.loss, passed, found)
        score = metrics[chosen.objective]
        lost = not math.isfinite(score)
        self._progress = self._progress.after(math.inf if lost else score, chosen.min_delta)
        arrays = self._learner.arrays
        if self._progress.best_epoch == self._progress.epoch:
            self._best = arrays[:1]
        ended, best = self._ended(lost=lost), self._progress.best_score
        report = EpochReport(
            epoch=self._progress.epoch,
            score=_finite(score),
            best_score=_finite(best),
            best_epoch=self._progress.best_epoch,
            metrics={name: _finite(value) for name, value in metrics.items()},
            seconds=time.perf_counter() - began,
            ended=ended,
            vitals=self._vitals(passed, found),
        )
        self._learner.seconds.clear()
        told = (*(self._state.reports if self._state else ()), report)
        if lost:  # what it was before is still worth keeping, what it is now is not
            self._state = replace(self._state, reports=told) if self._state else None
        else:
            self._state = TrainState(self._progress, arrays, self._best, told)
        long_ago = time.monotonic() - self._saved_at > _SAVE_SECONDS
        if ended or self._progress.epoch in self._task.milestones or long_ago:
            self._save()
        self._tell(report)

    def _vitals(self, passed: Pass, found: Validation | None) -> dict[str, float | None]:
        """What the epoch took and how healthy the network is, see ``EpochReport``."""
        seconds = self._learner.seconds
        trained = seconds.get("train", 0.0) + seconds.get("data", 0.0)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        vitals: dict[str, float | None] = {
            f"{kind}_seconds": round(seconds.get(kind, 0.0), 4) for kind in _KINDS
        }
        return vitals | {
            "windows_per_second": round(len(self._windows.train) / max(trained, 1e-9), 1),
            "gradient_norm": _finite(passed.mean_gradient),
            "gradient_norm_max": _finite(passed.largest_gradient),
            "dead_units": found.dead_units if found else None,
            "peak_memory_mb": round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1),
        }

    def _tell(self, report: EpochReport) -> None:
        if not self._hooks.report(report) or report.ended:
            raise _Leave

    def _ended(self, *, lost: bool) -> Literal["done", "diverged"] | None:
        chosen = self._task.params.train
        if lost:
            return "diverged"
        out_of_patience = chosen.patience is not None and self._progress.waited >= chosen.patience
        return "done" if out_of_patience or self._progress.epoch >= chosen.max_epochs else None

    def _save(self) -> None:
        """Keep the state as it was after the last epoch; before the first there is none."""
        if self._state is not None:
            with self._learner.clock("checkpoint"):  # counted to the epoch that follows
                best = self._state.progress.best_epoch
                self._hooks.save(state=self._state.to_bytes(), model=self._new_best(), epoch=best)
            self._saved_at = time.monotonic()

    def _new_best(self) -> bytes | None:
        """The best epoch's model, unless it was saved before."""
        if self._progress.best_epoch == self._saved_best:
            return None
        self._saved_best = self._progress.best_epoch
        panel = self._task.panel
        model = build_forecaster(
            self._task.params, self._scaler, inputs=len(panel.columns), targets=panel.targets
        )
        model.set_weights(self._learner.weights(self._best[0]))
        return model_bytes(model)


def _metrics(loss: str, passed: Pass, found: Validation | None) -> dict[str, float]:
    """``loss`` of training; of validation ``val_loss``, ``val_mse`` and ``val_mae``, NaN if it was lost."""
    validation = found or Validation(math.nan, math.nan, math.nan, 0.0)
    metrics = {"loss": passed.loss, "val_loss": validation.loss}
    return metrics | {"val_mse": validation.mse, "val_mae": validation.mae, f"val_{loss}": validation.loss}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
