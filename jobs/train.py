"""Training one configuration, an epoch at a time, until it is told to stop or has learnt all it can."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import Any, Literal

import keras
import numpy as np

from jobs.checkpoint import Progress, TrainState, model_bytes, read_variables, write_variables
from jobs.feed import Feed, evaluation_batches, steps, training_batches
from jobs.models import Forecaster, build_forecaster
from jobs.panel import Panel
from jobs.params import Params
from jobs.report import EpochReport, Hooks
from jobs.windows import Parts, fit_scaler, make_windows

_SAVE_SECONDS = 30.0  # of work that a killed machine may cost a trial between its milestones
_FINITE_CHECK = 50  # batches between looks at the running loss, so that a lost trial ends within an epoch


@dataclass(frozen=True)
class Task:
    """One trial's work.

    Attributes:
        milestones: epochs at which the trial waits for a decision; its state is saved before it asks.
    """

    params: Params
    panel: Panel
    parts: Parts
    seed: int
    milestones: frozenset[int] = frozenset()


class _Leave(Exception):  # noqa: N818 - it carries no error
    """Unwinds Keras's ``fit`` from inside a callback."""


def train(task: Task, hooks: Hooks, resume_from: bytes | None = None, known_epochs: int = 0) -> None:
    """Train until done, stopped or interrupted; everything it finds goes through ``hooks``.

    Going on from a state that is ahead of the ``known_epochs`` its listener has heard of, it first tells the
    rest again.

    Raises:
        JobError: ``resume_from`` does not belong to this task.
    """
    keras.utils.clear_session()
    keras.utils.set_random_seed(task.seed)
    params = task.params
    windows = make_windows(task.parts, params.window)
    feed, forecaster = _prepare(task)
    _compile(forecaster.trained, params)
    trial = _Trial(task, hooks, forecaster)
    batch_size = params.train.batch_size
    try:
        if resume_from is not None:
            trial.restore(TrainState.from_bytes(resume_from), known_epochs)
        first = trial.progress.epoch
        forecaster.trained.fit(
            training_batches(feed, windows.train, batch_size=batch_size, seed=task.seed, first_epoch=first),
            steps_per_epoch=steps(len(windows.train), batch_size),
            validation_data=evaluation_batches(feed, windows.validation),
            initial_epoch=first,
            epochs=params.train.max_epochs,
            callbacks=[trial],
            shuffle=False,  # the stream is shuffled already
            verbose=0,
        )
    except _Leave:
        return


def _prepare(task: Task) -> tuple[Feed, Forecaster]:
    params, panel = task.params, task.panel
    targets = panel.targets
    scaler = None if params.window.scale == "none" else fit_scaler(panel, task.parts)
    feed = Feed(
        rows=panel.rows,
        lookback=params.window.lookback,
        horizon=params.window.horizon,
        targets=targets,
        target_mean=scaler.mean[:targets].astype(np.float32) if scaler else np.float32(0),
        target_deviation=scaler.deviation[:targets].astype(np.float32) if scaler else np.float32(1),
    )
    return feed, build_forecaster(params, scaler, inputs=len(panel.columns), targets=targets)


_OPTIMIZERS = {
    "adam": "Adam",
    "adamw": "AdamW",
    "nadam": "Nadam",
    "rmsprop": "RMSprop",
    "sgd": "SGD",
    "adagrad": "Adagrad",
    "adadelta": "Adadelta",
    "adamax": "Adamax",
}


def _compile(model: Any, params: Params) -> None:
    chosen = params.train
    optimizer = getattr(keras.optimizers, _OPTIMIZERS[chosen.optimizer])(chosen.learning_rate)
    watched = [name for name in ("mse", "mae") if name != chosen.loss]
    xla = keras.backend.backend() != "tensorflow"
    model.compile(optimizer=optimizer, loss=chosen.loss, metrics=watched, jit_compile=xla)
    optimizer.build(model.trainable_variables)


class _Trial(keras.callbacks.Callback):
    """Follows ``fit``: keeps the best epoch's weights, saves, reports, and ends the trial when it is time."""

    def __init__(self, task: Task, hooks: Hooks, forecaster: Forecaster) -> None:
        super().__init__()
        self._task, self._hooks, self._forecaster = task, hooks, forecaster
        self._variables = [*forecaster.trained.variables, *forecaster.trained.optimizer.variables]
        self._weights = forecaster.trained.variables
        self.progress = Progress()
        self._state: TrainState | None = None
        self._best: list[Any] = []
        self._saved_best = 0
        self._began = time.perf_counter()
        self._saved_at = time.monotonic()

    def restore(self, state: TrainState, known_epochs: int) -> None:
        """Put a saved state in place of the fresh one and tell what was not heard before.

        Raises:
            JobError: it belongs to another network.
        """
        write_variables(self._variables, state.now)
        self.progress, self._best, self._state = state.progress, state.best, state
        self._saved_best = state.progress.best_epoch
        for report in state.reports:
            if report.epoch > known_epochs:
                self._tell(report)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start the epoch's clock."""
        del epoch, logs
        self._began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Leave at once when asked to, or when the loss is lost."""
        self._leave_if_asked()
        if batch % _FINITE_CHECK == _FINITE_CHECK - 1 and not math.isfinite(
            float((logs or {}).get("loss", 0))
        ):
            self._finish_epoch({"loss": math.nan})

    def _leave_if_asked(self) -> None:
        if self._hooks.interrupted():
            self._save()
            raise _Leave

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Leave at once when asked to, in the middle of a validation too."""
        del batch, logs
        self._leave_if_asked()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Judge the epoch, save what its decision may need, report, and leave if it was the last."""
        del epoch
        self._finish_epoch({name: float(value) for name, value in (logs or {}).items()})

    def _finish_epoch(self, logs: dict[str, float]) -> None:
        chosen = self._task.params.train
        logs[f"val_{chosen.loss}"] = logs.get("val_loss", math.nan)
        score = logs.get(chosen.objective, math.nan)
        lost = not (math.isfinite(score) and math.isfinite(logs.get("loss", math.nan)))
        self.progress = self.progress.after(math.inf if lost else score, chosen.min_delta)
        if self.progress.best_epoch == self.progress.epoch:
            self._best = read_variables(self._weights)
        ended = self._ended(lost=lost)
        report = self._report(score, logs, ended)
        told = (*(self._state.reports if self._state else ()), report)
        if lost:  # what it was before is still worth keeping, what it is now is not
            self._state = replace(self._state, reports=told) if self._state else None
        else:
            self._state = TrainState(self.progress, read_variables(self._variables), self._best, told)
        long_ago = time.monotonic() - self._saved_at > _SAVE_SECONDS
        if ended or self.progress.epoch in self._task.milestones or long_ago:
            self._save()
        self._tell(report)

    def _tell(self, report: EpochReport) -> None:
        if not self._hooks.report(report) or report.ended:
            raise _Leave

    def _ended(self, *, lost: bool) -> Literal["done", "diverged"] | None:
        chosen = self._task.params.train
        if lost:
            return "diverged"
        out_of_patience = chosen.patience is not None and self.progress.waited >= chosen.patience
        return "done" if out_of_patience or self.progress.epoch >= chosen.max_epochs else None

    def _save(self) -> None:
        """Keep the state as it was after the last epoch; before the first there is none."""
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()  # during an epoch Keras's JAX trainer holds the variables' values
        if self._state is not None:
            best = self._state.progress.best_epoch
            self._hooks.save(state=self._state.to_bytes(), model=self._new_best(), epoch=best)
            self._saved_at = time.monotonic()

    def _new_best(self) -> bytes | None:
        """The best epoch's model, unless it was saved before."""
        if self.progress.best_epoch == self._saved_best:
            return None
        self._saved_best = self.progress.best_epoch
        current = read_variables(self._weights)
        write_variables(self._weights, self._best)
        saved = model_bytes(self._forecaster.served)
        write_variables(self._weights, current)
        return saved

    def _report(
        self, score: float, logs: dict[str, float], ended: Literal["done", "diverged"] | None
    ) -> EpochReport:
        best = self.progress.best_score
        return EpochReport(
            epoch=self.progress.epoch,
            score=score if math.isfinite(score) else None,
            best_score=best if math.isfinite(best) else None,
            best_epoch=self.progress.best_epoch,
            metrics={name: value if math.isfinite(value) else None for name, value in logs.items()},
            seconds=time.perf_counter() - self._began,
            ended=ended,
        )
