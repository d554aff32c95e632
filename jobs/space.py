"""The search space of one job: its named dimensions, some of them only in networks that are deep enough."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from jobs.dimensions import Dimension, Scalar

Values = dict[str, Scalar]


@dataclass(frozen=True)
class Parameter:
    """A named dimension; ``layer`` set means it exists only in networks with more than that many layers."""

    name: str
    dimension: Dimension
    layer: int | None = None


@dataclass(frozen=True)
class Space:
    """The searched hyperparameters of one job, in the order of the job file."""

    parameters: tuple[Parameter, ...]
    depth: Callable[[Values], int]  # the number of layers that some values give

    def names(self) -> list[str]:
        """Every hyperparameter's name, conditional ones included."""
        return [parameter.name for parameter in self.parameters]

    def sample(self, rng: np.random.Generator) -> Values:
        """Values for the parameters that are active together."""
        values = {p.name: p.dimension.sample(rng) for p in self.parameters}
        return self.active(values)

    def active(self, values: Values) -> Values:
        """Only those values whose layer the others give."""
        depth = self.depth(values)
        return {p.name: values[p.name] for p in self.parameters if p.layer is None or p.layer < depth}

    def size(self) -> float:
        """The number of different configurations; ``inf`` where a range is continuous."""
        free = [p for p in self.parameters if p.layer is None and p.name != "model.layers"]
        by_layer = [p for p in self.parameters if p.layer is not None]
        deep = next((p.dimension for p in self.parameters if p.name == "model.layers"), None)
        depths = [int(n) for n in (deep.values() or []) if n is not None] if deep else [self.depth({})]
        total = sum(
            math.prod(p.dimension.count() for p in by_layer if p.layer is not None and p.layer < depth)
            for depth in depths
        )
        return total * math.prod(p.dimension.count() for p in free)
