"""Grid search."""

from __future__ import annotations

import math

from jobs.errors import JobError
from jobs.space import Space, Values
from runner.searchers.novelty import Novelty
from runner.searchers.rule import Searcher


class GridSearch(Searcher):
    """Every configuration, in the order of the job file, its last hyperparameter changing fastest.

    Networks of a depth come together, as only then there are the hyperparameters of their layers.
    """

    def __init__(self, space: Space) -> None:
        """Lay out the grid.

        Raises:
            JobError: a range is continuous.
        """
        self._novelty = Novelty(space)
        self._space = space
        endless = next((p.name for p in space.parameters if math.isinf(p.dimension.count())), None)
        if endless is not None:
            raise JobError(
                f"{endless}: search.algorithm: grid has no end in a continuous range; give it a step, "
                "or choose another algorithm"
            )
        self._size = int(space.size())
        self._next = 0

    def trials(self) -> int | None:
        """The whole grid."""
        return self._size

    def ask(self, number: int) -> Values | None:
        """The first configuration that no trial has had; after the last one the grid begins anew."""
        del number
        return self._space.at(self._next % self._size)

    def on_trial(self, number: int, values: Values) -> None:
        """Never choose these again."""
        del number
        self._novelty.on_trial(values)
        if self._next >= self._size:
            self._next += 1
        while self._next < self._size and self._novelty.knows(self._space.at(self._next)):
            self._next += 1
