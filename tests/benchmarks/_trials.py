"""A night's trials in one process: random configurations, trained as a worker trains them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.panel import Panel
from jobs.params import resolve
from jobs.parts import folds_of
from jobs.report import EpochReport
from jobs.scaling import Scaling, scaler_of
from jobs.spec import Job


@dataclass
class _Kept:
    """Hooks that keep the model of the best epoch."""

    score: float = np.inf
    model: bytes = b""

    def report(self, report: EpochReport) -> bool:
        """Go on."""
        self.score = np.inf if report.best_score is None else report.best_score
        return True

    def save(self, *, state: Any, model: bytes | None, epoch: int, wait: bool) -> None:
        """Keep the model."""
        del state, epoch, wait
        self.model = model or self.model

    def alive(self) -> nullcontext[None]:
        """Be patient."""
        return nullcontext()

    def interrupted(self, *, alive: bool = True) -> bool:
        """Stay."""
        del alive
        return False


GOOD = ("model.cell=gru", "model.units=16", "train.learning_rate=0.01", "train.max_epochs=5")


def configuration(rng: np.random.Generator) -> Iterator[str]:
    """What a search would have chosen."""
    yield f"model.cell={rng.choice(['simple_rnn', 'gru'])}"
    yield f"model.units={rng.choice([8, 16])}"
    yield f"train.learning_rate={10 ** rng.uniform(-2.5, -1.5):.5f}"
    yield f"train.max_epochs={rng.integers(2, 6)}"


def best_of(jobs: Sequence[Job], panel: Panel, rng: np.random.Generator) -> tuple[Job, bytes]:
    """Train each job's network; the job and the model of the one with the best validation score."""
    from jobs.train import Task, train

    best, chosen = _Kept(), jobs[0]
    for job in jobs:
        params, folds, kept = resolve(job, {}), folds_of(job, panel), _Kept()
        scalers = tuple(scaler_of(panel, parts, Scaling.of(params.window)) for parts in folds)
        train(Task(params, panel, folds, scalers, int(rng.integers(2**31)), to_beat=best.score), kept)
        if kept.score < best.score:
            best, chosen = kept, job
    return chosen, best.model
