"""Which configurations there have been, so that none is chosen twice."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

import numpy as np

from jobs.space import Space, Values

_ATTEMPTS = 1_000_000  # bounds bad luck; a space that is exhausted is known to be


@dataclass
class Novelty:
    """The configurations of a space that no trial has had yet."""

    space: Space = field(compare=False)
    known: set[Hashable] = field(default_factory=set)

    def on_trial(self, values: Values) -> None:
        """Take note of a trial's configuration."""
        self.known.add(key(values))

    def knows(self, values: Values) -> bool:
        """Whether a trial has had it."""
        return key(values) in self.known

    def draw(self, rng: np.random.Generator) -> Values:
        """The first uniform draw that no trial has had; any, of a space that is exhausted."""
        values = self.space.sample(rng)
        exhausted = len(self.known) >= self.space.size()
        for _ in range(0 if exhausted else _ATTEMPTS):
            if not self.knows(values):
                break
            values = self.space.sample(rng)
        return values


def key(values: Values) -> Hashable:
    """The same for the same configuration, and for no other."""
    return tuple(sorted((name, repr(value)) for name, value in values.items()))
