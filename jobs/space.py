"""The search space of one job: its named dimensions, some of them only where others have certain values."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from jobs.dimensions import Dimension, Scalar

Values = dict[str, Scalar]
_OTHER = object()  # any value that no condition names


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
        drawn = [(p, p.dimension.sample(rng)) for p in self.parameters]
        depth, found = self.depth({p.name: value for p, value in drawn}), Values()
        for parameter, value in drawn:
            if _exists(parameter, found, depth):
                found[parameter.name] = value
        return found

    def active(self, values: Values) -> Values:
        """Only those values that exist beside the others."""
        depth, found = self.depth(values), Values()
        for parameter in self.parameters:
            if _exists(parameter, found, depth):
                found[parameter.name] = values[parameter.name]
        return found

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
        return total * _configurations(free)


def _exists(parameter: Parameter, found: Values, depth: int) -> bool:
    deep = parameter.layer is None or parameter.layer < depth
    return deep and parameter.name not in found and parameter.holds(dict(found))


def _configurations(parameters: Sequence[Parameter]) -> float:
    """How many different values there are for all of them together, one after the other.

    Of a parameter that others depend on, each value that a condition names is followed by itself and all the
    others together; what nobody further on asks for is forgotten, so that independent conditions add up.
    """
    names = [p.name for p in parameters]
    told: dict[str, dict[Scalar, None]] = {name: {} for name in names if names.count(name) > 1}
    for condition in (each for p in parameters for each in p.when):
        told.setdefault(condition.name, {}).update(dict.fromkeys(condition.values))
    last = {name: index for index, p in enumerate(parameters) for name in (p.name, *(c.name for c in p.when))}

    def after(index: int, known: dict[str, object]) -> float:
        return count(index, frozenset((name, value) for name, value in known.items() if last[name] >= index))

    @cache
    def count(index: int, known: frozenset[tuple[str, object]]) -> float:
        if index == len(parameters):
            return 1
        parameter, values = parameters[index], dict(known)
        if parameter.name in values or not parameter.holds(values):
            return after(index + 1, values)
        every, named = parameter.dimension.count(), told.get(parameter.name, {})
        own = [value for value in named if value in (parameter.dimension.values() or ())]
        total = sum(after(index + 1, values | {parameter.name: value}) for value in own)
        if every > len(own):
            rest = {parameter.name: _OTHER} if parameter.name in told else {}
            total += (every - len(own)) * after(index + 1, values | rest)
        return total

    return after(0, {})
