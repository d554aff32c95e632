"""The search space of one job: its named dimensions, some of them only where others have certain values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from jobs.dimensions import Dimension, Scalar
from jobs.enumeration import Enumeration

if TYPE_CHECKING:  # what reads a sweep's job is to start at once
    import numpy as np

Values = dict[str, Scalar]
_DEPTH = "model.layers"


@dataclass(frozen=True)
class Condition:
    """That another hyperparameter has one of these values (KerasTuner's ``conditional_scope``)."""

    name: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True)
class Parameter:
    """A named dimension.

    Attributes:
        layer: set, it exists only in networks with more than that many layers.
        when: it exists only where all of these hold, of parameters that come before it.  Parameters may share
            a name; of those that exist the first one counts.
        default: what a user's function means by itself; None if it says nothing.
    """

    name: str
    dimension: Dimension
    layer: int | None = None
    when: tuple[Condition, ...] = ()
    default: Scalar = None

    def holds(self, values: dict[str, object]) -> bool:
        """Whether all conditions hold."""
        return all(each.name in values and values[each.name] in each.values for each in self.when)


@dataclass(frozen=True)
class Space:
    """The searched hyperparameters of one job, in the order of the job file."""

    parameters: tuple[Parameter, ...]
    depth: Callable[[Values], int]  # the number of layers that some values give

    def names(self) -> list[str]:
        """Every hyperparameter's name, conditional ones included."""
        return list(dict.fromkeys(parameter.name for parameter in self.parameters))

    def sample(self, rng: np.random.Generator) -> Values:
        """Values for the parameters that are active together."""
        drawn = [parameter.dimension.sample(rng) for parameter in self.parameters]
        return {self.parameters[place].name: value for place, value in self.existing(drawn).items()}

    def existing(self, values: Sequence[Scalar]) -> dict[int, Scalar]:
        """Of a value for each parameter those that exist together, by the parameters' places."""
        named = {parameter.name: value for parameter, value in zip(self.parameters, values, strict=True)}
        depth, beside, found = self.depth(named), Values(), dict[int, Scalar]()
        for place, (parameter, value) in enumerate(zip(self.parameters, values, strict=True)):
            if _exists(parameter, beside, depth):
                beside[parameter.name] = found[place] = value
        return found

    def meant(self, values: Values) -> list[int]:
        """The places of the parameters that a configuration's values are of, where several share a name."""
        found = self.existing([values.get(parameter.name) for parameter in self.parameters])
        return [place for place in found if self.parameters[place].name in values]

    def active(self, values: Values) -> Values:
        """Only those values that exist beside the others."""
        depth, found = self.depth(values), Values()
        for parameter in self.parameters:
            if _exists(parameter, found, depth):
                found[parameter.name] = values[parameter.name]
        return found

    def size(self) -> float:
        """The number of different configurations; ``inf`` where a range is continuous."""
        return sum(shape.size() for _, shape in self._shapes)

    def at(self, index: int) -> Values:
        """The configuration before which there are ``index`` others: shallow networks first, then in order.

        Raises:
            IndexError: there are not so many.
        """
        for depth, shape in self._shapes:
            size = shape.size()
            if index < size:
                found = depth | shape.at(index)
                return {name: found[name] for name in self.names() if name in found}
            index -= int(size)
        raise IndexError(index)

    @cached_property
    def _shapes(self) -> list[tuple[Values, Enumeration]]:
        """Each depth, and the other hyperparameters that networks of that depth have."""
        others = [p for p in self.parameters if p.name != _DEPTH]
        deep = next((p.dimension for p in self.parameters if p.name == _DEPTH), None)
        depths: list[Values] = [{_DEPTH: n} for n in deep.values() or []] if deep else [{}]
        return [
            (depth, Enumeration([p for p in others if p.layer is None or p.layer < self.depth(depth)]))
            for depth in depths
        ]


def _exists(parameter: Parameter, found: Values, depth: int) -> bool:
    deep = parameter.layer is None or parameter.layer < depth
    return deep and parameter.name not in found and parameter.holds(dict(found))
