"""Which configuration is tried next: each ask follows from the sweep's seed and the trial's number."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Protocol

import numpy as np

from jobs.space import Space, Values
from runner.schedulers import Scheduler

DEFAULT_TRIALS = 20
_ATTEMPTS = 1_000_000  # bounds bad luck; a space that is exhausted is known to be


class Searcher(Protocol):
    """Chooses configurations."""

    def ask(self, number: int) -> Values:
        """The values of trial ``number``."""

    def seen(self, values: Iterable[Values]) -> None:
        """Take note of configurations chosen before, when a sweep goes on."""


class RandomSearch:
    """Independent uniform draws, none twice."""

    def __init__(self, space: Space, seed: int) -> None:
        """Draw from ``space``; equal seeds give equal configurations."""
        self._space, self._seed = space, seed
        self._known: set[Hashable] = set()

    def ask(self, number: int) -> Values:
        """The first draw for this number that no earlier trial had."""
        rng = np.random.default_rng([self._seed, number])
        values = self._space.sample(rng)
        exhausted = len(self._known) >= self._space.size()
        for _ in range(0 if exhausted else _ATTEMPTS):
            if _key(values) not in self._known:
                break
            values = self._space.sample(rng)
        self._known.add(_key(values))
        return values

    def seen(self, values: Iterable[Values]) -> None:
        """Never choose these again."""
        self._known.update(_key(chosen) for chosen in values)


def _key(values: Values) -> Hashable:
    return tuple(sorted((name, repr(value)) for name, value in values.items()))


def planned_trials(asked: int | None, space: Space, scheduler: Scheduler) -> int:
    """How many trials a sweep has: the scheduler's, else the job's, never more than the space holds."""
    own = scheduler.trials()
    if own is not None:
        return own
    size = space.size()
    return int(min(asked or DEFAULT_TRIALS, size))
