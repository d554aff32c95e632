"""Somebody for a trial to work for, and a small trial."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any

import pytest

from jobs import feed, fold
from jobs.dataspec import Split
from jobs.learner import Learner
from jobs.params import Params
from jobs.parts import split_folds
from jobs.report import EpochReport
from jobs.scaling import Scaling, fit_scaler
from jobs.train import Task, train
from tests.jobs.small import panel

_REPEATABLE = ("gradient_norm", "gradient_norm_max", "dead_units")


@dataclass
class Listener:
    """Keeps all it is told; interrupts after a number of batches, stops the trial after an epoch."""

    interrupt_at: int | None = None
    stop_at: int | None = None
    batches: int = 0
    saved_epoch: int = 0
    reports: list[EpochReport] = field(default_factory=list)
    saves: list[tuple[bytes | None, bytes | None]] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    signs: list[bool] = field(default_factory=list)  # whether it asked as one that is alive
    learner: Any = None  # the trial's

    def report(self, report: EpochReport) -> bool:
        self.reports.append(report)
        self.events.append(f"report {report.epoch}")
        return report.epoch != self.stop_at

    def save(self, *, state: Callable[[], bytes] | None, model: bytes | None, epoch: int, wait: bool) -> None:
        self.saved_epoch = epoch
        self.saves.append((state and state(), model))
        kinds = [name for name, given in (("state", state), ("model", model)) if given]
        self.events.append(f"save {' and '.join(kinds)}{'' if wait else ' beside'}")

    def alive(self) -> AbstractContextManager[None]:
        return nullcontext()

    def interrupted(self, *, alive: bool = True) -> bool:
        self.signs.append(alive)
        self.batches += 1
        return self.batches == self.interrupt_at

    @property
    def state(self) -> bytes:
        """The state that was saved last."""
        return next(state for state, _ in reversed(self.saves) if state is not None)

    @property
    def model(self) -> bytes:
        """The model that was saved last."""
        return next(model for _, model in reversed(self.saves) if model is not None)

    def told(self) -> list[dict[str, Any]]:
        """Every report but for the clock and the machine."""
        return [
            asdict(report) | {"seconds": None, "vitals": {name: report.vitals[name] for name in _REPEATABLE}}
            for report in self.reports
        ]

    def arrays(self) -> list[bytes]:
        """The bits of the weights and of the optimizer's state at the trial's end."""
        return [array.tobytes() for array in self.learner.arrays]


def task(
    chosen: Params,
    *,
    steps: int = 60,
    seed: int = 3,
    milestones: tuple[int, ...] = (),
    split: Split = Split(),  # noqa: B008 - it is frozen
    **more: Any,
) -> Task:
    """A trial on one small series."""
    found = panel(steps)
    folds = split_folds(found, split)
    scalers = tuple(fit_scaler(found, parts, Scaling.of(chosen.window)) for parts in folds)
    return Task(chosen, found, folds, scalers, seed, frozenset(milestones), **more)


def trained(
    given: Task, resume_from: bytes | None = None, known_epochs: int = 0, *, at_once: int = 1, **listens: Any
) -> Listener:
    """Train and give what the listener was told; it is asked after every ``at_once`` batches."""
    listener = Listener(**listens)

    def make(*args: Any, **options: Any) -> Learner:
        listener.learner = Learner(*args, **options)
        return listener.learner

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feed, "MOST_BATCHES", at_once)
        patch.setattr(fold, "Learner", make)
        train(given, listener, resume_from, known_epochs)
    return listener
