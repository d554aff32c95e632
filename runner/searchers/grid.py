"""Grid search."""

from __future__ import annotations

import math
from collections.abc import Iterator

from jobs.errors import JobError
from jobs.space import Space, Values
from runner.searchers.axes import Axes, Axis, Point
from runner.searchers.novelty import Novelty
from runner.searchers.rule import Searcher

_DEPTH = "model.layers"


class GridSearch(Searcher):
    """Every configuration, in the order of the job file, its last hyperparameter changing fastest.

    Networks of a depth come together, since only then there are the hyperparameters of their layers.
    """

    def __init__(self, space: Space) -> None:
        """Lay out the grid.

        Raises:
            JobError: a range is continuous.
        """
        self._novelty = Novelty(space)
        self._axes = Axes.of(space)
        endless = next((axis.name for axis in self._axes.all if axis.kind == "real"), None)
        if endless is not None:
            raise JobError(
                f"{endless}: search.algorithm: grid has no end in a continuous range; give it a step, "
                "or choose another algorithm"
            )
        dependent = next((axis.name for axis in self._axes.all if axis.when), None)
        if dependent is not None:
            raise JobError(
                f"{dependent}: search.algorithm: grid knows no hyperparameters that exist only where others "
                "have certain values; choose another algorithm"
            )
        self._size = int(space.size())
        self._next = 0

    def trials(self) -> int | None:
        """The whole grid."""
        return self._size

    def ask(self, number: int) -> Values | None:
        """The first configuration that no trial has had; after the last one the grid begins anew."""
        del number
        return self._configuration(self._next % self._size)

    def on_trial(self, number: int, values: Values) -> None:
        """Never choose these again."""
        del number
        self._novelty.on_trial(values)
        if self._next >= self._size:
            self._next += 1
        while self._next < self._size and self._novelty.knows(self._configuration(self._next)):
            self._next += 1

    def _configuration(self, index: int) -> Values:
        for shape, axes in self._shapes():
            counts = [int(axis.high - axis.low) + 1 for axis in axes]
            if index < math.prod(counts):
                point = dict(shape)
                for axis, count in zip(reversed(axes), reversed(counts), strict=True):
                    index, place = divmod(index, count)
                    point[axis.name] = axis.low + place
                return self._axes.values(point)
            index -= math.prod(counts)
        raise IndexError(index)

    def _shapes(self) -> Iterator[tuple[Point, list[Axis]]]:
        """Each depth, and the hyperparameters that networks of that depth have."""
        depth = next((axis for axis in self._axes.all if axis.name == _DEPTH), None)
        for number in range(int(depth.low), int(depth.high) + 1) if depth else (None,):
            shape: Point = {} if number is None else {_DEPTH: number}
            names = set(self._axes.values(dict(shape))) - {_DEPTH}
            yield shape, [axis for axis in self._axes.all if axis.name in names]
