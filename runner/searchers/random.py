"""Random search."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from jobs.space import Space, Values

_ATTEMPTS = 1_000_000  # bounds bad luck; a space that is exhausted is known to be


class RandomSearch:
    """Independent uniform draws, none twice."""

    def __init__(self, space: Space, seed: int) -> None:
        """Draw from ``space``; equal seeds give equal configurations."""
        self._space, self._seed = space, seed
        self._known: set[Hashable] = set()

    def trials(self) -> int | None:
        """The job decides."""
        return None

    def ask(self, number: int) -> Values | None:
        """The first draw for this number that no earlier trial had."""
        rng = np.random.default_rng([self._seed, number])
        values = self._space.sample(rng)
        exhausted = len(self._known) >= self._space.size()
        for _ in range(0 if exhausted else _ATTEMPTS):
            if key(values) not in self._known:
                break
            values = self._space.sample(rng)
        return values

    def on_evidence(self, evidence: Sequence[dict[str, Any]]) -> None:
        """Nothing follows from it."""

    def on_trial(self, number: int, values: Values) -> None:
        """Never choose these again."""
        del number
        self._known.add(key(values))

    def on_result(self, number: int, epoch: int, best: float) -> None:
        """Nothing follows from it."""

    def on_end(self, number: int, best: float) -> None:
        """Nothing follows from it."""


def key(values: Values) -> Hashable:
    """The same for the same configuration, and for no other."""
    return tuple(sorted((name, repr(value)) for name, value in values.items()))
