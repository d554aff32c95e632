"""A trial on one division of the series: its network, and the windows it is trained and validated on."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np

from jobs.cut import Cutter
from jobs.feed import LARGEST_EVALUATED, Feed, Order, Passes, batches_of, drawn, even_batch
from jobs.learner import Ask, Learner, Pass, Rates, Validation
from jobs.material import Material
from jobs.panel import Panel
from jobs.params import Params
from jobs.parts import Parts
from jobs.scaling import Scaler
from jobs.trainstate import Arrays
from jobs.windows import make_windows

_BETWEEN_SEEDS = 15_485_863  # of a trial's executions; a prime above the number of any trial


@dataclass(frozen=True)
class Found:
    """What an epoch found on all folds.

    Attributes:
        passed: the means over the folds, of the largest gradient the largest.
        validation: the means; None where a loss was not finite.
        spread: the standard deviations over the folds, of the same; None for one fold.
    """

    passed: Pass
    validation: Validation | None
    spread: Validation | None = None

    @classmethod
    def of(cls, passes: list[Pass], validations: list[Validation]) -> Found:
        """The folds together; there is a validation for each, or one was lost."""
        passed = Pass(
            _mean(each.loss for each in passes),
            max(each.largest_gradient for each in passes),
            _mean(each.mean_gradient for each in passes),
            all(each.watched for each in passes),
        )
        if len(validations) < len(passes):
            return cls(passed, None)
        columns = list(zip(*(each.values() for each in validations), strict=True))
        spread = None
        if len(validations) > 1:
            spread = Validation(*(float(np.std(column, ddof=1)) for column in columns))
        return cls(passed, Validation(*map(_mean, columns)), spread)


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return math.fsum(found) / len(found)


class Moved(Protocol):
    """A network in training, see ``Learner``."""

    over: bool
    seconds: dict[str, float]

    @property
    def arrays(self) -> Arrays:
        """Copies of the weights, one flat vector, and of all else that the next epoch depends on."""

    @arrays.setter
    def arrays(self, saved: Arrays) -> None: ...

    def saved_model(self, flat: Any) -> bytes:
        """The served model with these weights."""

    def expect(self, training: int, validation: int) -> None:
        """Get ready for so many windows."""

    def train(self, starts: Order, rates: Rates, ask: Ask) -> Pass:
        """Train an epoch."""

    def evaluate(self, starts: Order, ask: Ask) -> Validation:
        """Validate."""

    def clock(self, kind: str) -> AbstractContextManager[None]:
        """Count seconds."""

    def close(self) -> None:
        """Let go of all that is held."""


class Fold:
    """Weights in training, on the training part of one division."""

    def __init__(self, params: Params, panel: Panel, parts: Parts, scaler: Scaler, seed: int) -> None:
        chosen = params.train
        channels = panel.targets if params.window.channel_independent else 1
        windows = make_windows(parts, params.window, channels)
        self._params, self._panel, self._seed = params, panel, seed
        self._windows, self._passes = windows, Passes(windows.train, seed)
        self.scaler = scaler
        self.size = chosen.epoch_windows or len(windows.train)
        self.validation: Order = windows.validation
        if chosen.validation_windows is not None:
            self.validation = drawn(windows.validation, chosen.validation_windows)
        self.learner: Moved

    def begin(
        self, *, evaluation_batch: int = LARGEST_EVALUATED, gpu: bool = False, warm: Arrays | None = None
    ) -> None:
        """Fresh weights, or ``warm`` ones where they fit; validation takes so many windows at a time."""
        if self._params.build is not None:
            from jobs.userlearner import make_learner  # KerasTuner takes seconds to import

            feed = Feed(Cutter(self._panel, self._params.window), self.scaler)
            self.learner = make_learner(
                self._params, Material(feed, self._windows.train, self.validation), self._seed, warm
            )
            return
        self.learner = Learner(
            self._params,
            self._panel,
            self.scaler,
            self._seed,
            evaluation_batch=evaluation_batch,
            gpu=gpu,
            warm=warm,
        )

    def train(self, epoch: int, rates: Rates, ask: Ask) -> Pass:
        """Train the epoch after so many; see ``Learner.train``."""
        return self.learner.train(self._passes.order(epoch * self.size, self.size), rates, ask)

    def validate(self, ask: Ask) -> Validation:
        """Validate as it is now."""
        return self.learner.evaluate(self.validation, ask)

    def steps(self, epochs: int) -> int:
        """Steps of the optimizer in so many epochs."""
        return epochs * batches_of(self.size, self._params.train.batch_size)


class Folds:
    """All folds of a trial: they share its parameters, its seed, and the programs.

    Where it has several executions, all folds of each, with a seed for each.
    """

    def __init__(
        self, params: Params, panel: Panel, parts: tuple[Parts, ...], scalers: tuple[Scaler, ...], seed: int
    ) -> None:
        seeds = [(seed + _BETWEEN_SEEDS * index) % 2**31 for index in range(params.train.executions)]
        pairs = list(zip(parts, scalers, strict=True))
        self._folds = [Fold(params, panel, part, scaler, own) for own in seeds for part, scaler in pairs]

    def begin(self, *, gpu: bool, warm: Arrays | None = None) -> None:
        """Fresh weights in each, or the same ``warm`` ones."""
        batch = even_batch(max(len(fold.validation) for fold in self._folds))
        for fold in self._folds:
            fold.begin(evaluation_batch=batch, gpu=gpu, warm=warm)

    @property
    def last(self) -> Fold:
        """That whose training part is the longest, and whose weights are served."""
        return self._folds[-1]

    @property
    def over(self) -> bool:
        """Whether there is no next epoch, whatever the job says."""
        return any(fold.learner.over for fold in self._folds)

    def close(self) -> None:
        """Let go of what the networks hold."""
        for fold in self._folds:
            fold.learner.close()

    @property
    def windows(self) -> int:
        """Trained on in an epoch, by all together."""
        return sum(fold.size for fold in self._folds)

    @property
    def validated(self) -> int:
        """Windows that an epoch is validated on, of all together."""
        return sum(len(fold.validation) for fold in self._folds)

    @property
    def arrays(self) -> Arrays:
        """Copies of each fold's weights and optimizer state, one fold after the other."""
        return [array for fold in self._folds for array in fold.learner.arrays]

    @arrays.setter
    def arrays(self, saved: Arrays) -> None:
        count, rest = divmod(len(saved), len(self._folds))
        for index, fold in enumerate(self._folds):
            fold.learner.arrays = [] if rest else saved[index * count : (index + 1) * count]

    def expect(self, training: int, validation: int) -> None:
        """Choose and compile the programs for so many windows, see ``Learner.expect``."""
        for fold in self._folds:
            fold.learner.expect(training, validation)

    def epoch(self, number: int, rates: Any, ask: Ask) -> Found:
        """Train and validate each fold once; it ends early where a loss is not finite.

        Args:
            number: of epochs before this one.
            rates: see ``Learner.train``, given the fold first.
            ask: see ``Learner.train``.
        """
        passes: list[Pass] = []
        validations: list[Validation] = []
        for fold in self._folds:
            passes.append(fold.train(number, partial(rates, fold), ask))
            if not math.isfinite(passes[-1].loss):
                break
            validations.append(fold.validate(ask))
        return Found.of(passes, validations)

    @property
    def seconds(self) -> dict[str, float]:
        """What was spent on what since ``forget``, by all together."""
        kinds = {kind for fold in self._folds for kind in fold.learner.seconds}
        return {kind: sum(fold.learner.seconds.get(kind, 0.0) for fold in self._folds) for kind in kinds}

    def forget(self) -> None:
        """Count the seconds from zero."""
        for fold in self._folds:
            fold.learner.seconds.clear()
