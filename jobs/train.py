"""Training one configuration, an epoch at a time, until it is told to stop or has learnt all it can."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, Literal

from jobs.fold import Fold, Folds, Found
from jobs.keeper import Keeper
from jobs.learner import NothingMoreError
from jobs.outlook import ALONE, Outlook
from jobs.panel import Panel
from jobs.params import Params
from jobs.parts import Parts
from jobs.report import EpochReport, Hooks
from jobs.scaling import Scaler
from jobs.schedules import PLATEAU_FACTOR, constant, cosine, plateaus
from jobs.trainstate import Arrays, Progress, TrainState
from jobs.vitals import finite, metrics_of, vitals_of


@dataclass(frozen=True)
class Task:
    """One trial's work.

    Attributes:
        folds: the divisions of the series that it is trained and validated on, the longest last.
        scalers: what each fold is scaled by.
        milestones: epochs at which the trial waits for a decision.
        outlook: what decides how its programs are compiled.
        pauses: whether a decision may be to go on later and elsewhere.
        to_beat: the score that the sweep's best trial ended with; models that are worse are not saved.
        models: epochs of the trial whose models are on storage.
        gpu: train on the GPU.
        warm: gives the weights of another model, which a network that they fit begins with.
    """

    params: Params
    panel: Panel
    folds: tuple[Parts, ...]
    scalers: tuple[Scaler, ...]
    seed: int
    milestones: frozenset[int] = frozenset()
    outlook: Outlook = ALONE
    pauses: bool = False
    to_beat: float | None = None
    models: frozenset[int] = frozenset()
    gpu: bool = False
    warm: Callable[[], Arrays] | None = None


class _Leave(Exception):  # noqa: N818 - it carries no error
    """Unwinds an epoch."""


def train(task: Task, hooks: Hooks, resume_from: bytes | None = None, known_epochs: int = 0) -> None:
    """Train until done, stopped or interrupted; everything it finds goes through ``hooks``.

    Going on from a state that is ahead of the ``known_epochs`` its listener has heard of, it first tells the
    rest again.

    Raises:
        JobError: ``resume_from`` does not belong to this task.
    """
    build = task.params.build
    with hooks.alive() if build else nullcontext():
        trial = _Trial(task, hooks, fresh=resume_from is None)
    try:
        with hooks.alive() if build and build.kind == "regressor" else nullcontext():
            if resume_from is not None:
                trial.restore(TrainState.from_bytes(resume_from), known_epochs)
            while True:
                trial.epoch()
    except _Leave:
        return
    finally:
        trial.close()


class _Trial:
    """Runs epochs; keeps the best one's weights, saves, reports, and ends the trial when it is time."""

    def __init__(self, task: Task, hooks: Hooks, *, fresh: bool) -> None:
        self._task, self._hooks = task, hooks
        self._chosen = task.params.train
        self._folds = Folds(task.params, task.panel, task.folds, task.scalers, task.seed)
        # A user's own fit may begin again at its beginning, and has to find it as it was.
        warm = task.warm() if task.warm and (fresh or task.params.build) else None
        self._folds.begin(gpu=task.gpu, warm=warm)
        self._keeper = Keeper(hooks, self._model, task.to_beat, pauses=task.pauses)
        self._progress = Progress()
        self._best: Arrays = []
        self._prepared: tuple[int, int] | None = None

    def restore(self, state: TrainState, known_epochs: int) -> None:
        """Put a saved state in place of the fresh one and tell what was not heard before.

        Raises:
            JobError: it belongs to another network.
        """
        self._folds.arrays = state.now
        self._progress, self._best = state.progress, state.best
        self._keeper.restore(state, self._task.models)
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
        try:
            found = self._folds.epoch(self._progress.epoch, self._rates, self._leave_if_asked)
        except NothingMoreError:
            self._pass_on(replace(self._told()[-1], ended="done"))
        else:
            self._judge(found, began)

    def _prepare(self) -> None:
        """Compile for the work between the rungs round this epoch."""
        epoch, last = self._progress.epoch, self._chosen.max_epochs
        stretch = self._task.outlook.stretch(epoch, last)
        if self._prepared != stretch:
            epochs = self._task.outlook.epochs(epoch, last)
            with self._hooks.alive():
                self._folds.expect(int(epochs * self._folds.windows), int(epochs * self._folds.validated))
            self._prepared = stretch

    def _rates(self, fold: Fold, first: int, count: int) -> Any:
        chosen = self._chosen
        match chosen.schedule:
            case "cosine":
                return cosine(chosen.learning_rate, first, count, fold.steps(chosen.max_epochs))
            case "reduce_on_plateau":
                scores = [report.score for report in self._told()]
                reduced = PLATEAU_FACTOR ** plateaus(scores, chosen.plateau_patience)
                return constant(chosen.learning_rate * reduced, count)
            case _:
                return constant(chosen.learning_rate, count)

    def _told(self) -> tuple[EpochReport, ...]:
        """The reports of all epochs so far."""
        return self._keeper.state.reports if self._keeper.state else ()

    def _leave_if_asked(self, *, alive: bool = True) -> None:
        if self._hooks.interrupted(alive=alive):
            self._keeper.save(wait=True)
            raise _Leave

    def _judge(self, found: Found, began: float) -> None:
        metrics = metrics_of(self._chosen.loss, found)
        score = metrics[self._chosen.objective]
        if found.spread is not None:
            metrics["score_spread"] = metrics[f"{self._chosen.objective}_spread"]
        lost = not math.isfinite(score)
        self._progress = self._progress.after(math.inf if lost else score, self._chosen.min_delta)
        arrays = self._folds.arrays
        if self._progress.best_epoch == self._progress.epoch:
            self._best = self._folds.last.learner.arrays[:1]
        report = EpochReport(
            epoch=self._progress.epoch,
            score=finite(score),
            best_score=finite(self._progress.best_score),
            best_epoch=self._progress.best_epoch,
            metrics={name: finite(value) for name, value in metrics.items()},
            seconds=time.perf_counter() - began,
            ended=self._ended(lost=lost),
            vitals=vitals_of(self._folds.seconds, self._folds.windows, found),
        )
        self._folds.forget()
        told, before = (*self._told(), report), self._keeper.state
        if lost:  # what it was before is still worth keeping, what it is now is not
            self._keeper.state = replace(before, reports=told) if before else None
        else:
            self._keeper.state = TrainState(self._progress, arrays, self._best, told)
        self._pass_on(report)

    def _pass_on(self, report: EpochReport) -> None:
        """Report, and save before it and after it what each asks for; seconds count to the next epoch."""
        milestone = report.epoch in self._task.milestones
        with self._folds.last.learner.clock("checkpoint"):
            self._keeper.before(milestone=milestone, ended=report.ended is not None)
        self._tell(report)
        with self._folds.last.learner.clock("checkpoint"):
            self._keeper.after(milestone=milestone)

    def _tell(self, report: EpochReport) -> None:
        goes_on = self._hooks.report(report)
        if not goes_on and self._hooks.interrupted():
            self._keeper.save(wait=True)
        if report.ended or not goes_on:
            raise _Leave

    def _ended(self, *, lost: bool) -> Literal["done", "diverged"] | None:
        chosen = self._chosen
        if lost:
            return "diverged"
        out_of_patience = chosen.patience is not None and self._progress.waited >= chosen.patience
        last = out_of_patience or self._progress.epoch >= chosen.max_epochs or self._folds.over
        return "done" if last else None

    def _model(self, weights: Any) -> bytes:
        """The served model with these flat weights."""
        return self._folds.last.learner.saved_model(weights)

    def close(self) -> None:
        """Let go of what the networks hold."""
        self._folds.close()
