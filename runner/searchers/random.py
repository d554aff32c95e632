"""Random search."""

from __future__ import annotations

import numpy as np

from jobs.space import Space, Values
from runner.searchers.novelty import Novelty
from runner.searchers.rule import Searcher


class RandomSearch(Searcher):
    """Independent uniform draws, none twice."""

    def __init__(self, space: Space, seed: int) -> None:
        """Draw from ``space``; equal seeds give equal configurations."""
        self._seed, self._novelty = seed, Novelty(space)

    def ask(self, number: int) -> Values | None:
        """The first draw for this number that no earlier trial had."""
        return self._novelty.draw(np.random.default_rng([self._seed, number]))

    def on_trial(self, number: int, values: Values) -> None:
        """Never choose these again."""
        del number
        self._novelty.on_trial(values)
