"""A space in numbers, which is what models of it are made of.

A whole number stands for each value of a range that has steps, and the indices of its options for a choice:
so every library chooses from exactly the values that the job file names, and gives them back as they are
written there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from jobs.dimensions import Boolean, Choice, Dimension, Float, Int, Scalar
from jobs.space import Condition, Space, Values

Number = int | float
Point = dict[str, Number]


@dataclass(frozen=True)
class Axis:
    """A hyperparameter's values as numbers.

    Attributes:
        name: that people know it by; several may share it, each of which exists beside other values.
        key: that nothing else has: what it is called among numbers.
        kind: ``whole`` numbers from ``low`` to ``high``, ``real`` ones, or a ``category``, whose numbers
            have no order.
        log: the numbers are alike in log space.
        options: what the numbers, from 0 on, stand for; empty: each for ``offset + stride · number``.
        layer, when: see ``jobs.space.Parameter``.
    """

    name: str
    kind: Literal["whole", "real", "category"]
    low: Number
    high: Number
    log: bool = False
    options: tuple[Scalar, ...] = ()
    offset: int = 0
    stride: int = 1
    layer: int | None = None
    when: tuple[Condition, ...] = ()
    key: str = ""

    def value(self, number: Number) -> Scalar:
        """What a number stands for; one that rounding has put outside the range stands for its end."""
        number = min(max(number, self.low), self.high)
        if self.kind == "real":
            return float(number)
        return self.options[int(number)] if self.options else self.offset + self.stride * int(number)

    def number(self, value: Scalar) -> Number | None:
        """What a value is as a number; None where it is not one of the axis."""
        if self.options:
            return next((i for i, option in enumerate(self.options) if self._same(option, value)), None)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        if self.kind == "real":
            return float(value) if self.low <= value <= self.high else None
        number, rest = divmod(value - self.offset, self.stride)
        fits = isinstance(value, int) and rest == 0 and self.low <= number <= self.high
        return int(number) if fits else None

    def _same(self, option: Scalar, value: Scalar) -> bool:
        """Of a choice 1 is neither True nor 1.0; of a range, which holds numbers of one type, 1 is 1.0."""
        if self.kind == "category":
            return type(option) is type(value) and option == value
        return option == value and not isinstance(value, bool)


@dataclass(frozen=True)
class Axes:
    """All of a space's, in the order of the job file."""

    space: Space = field(compare=False)
    all: tuple[Axis, ...]

    @classmethod
    def of(cls, space: Space) -> Axes:
        """One for each hyperparameter, conditional ones included, those that share a name as well."""
        named = zip(space.parameters, _keys(space), strict=True)
        axes = (replace(_axis(p.name, p.dimension, p.layer), when=p.when, key=key) for p, key in named)
        return cls(space, tuple(axes))

    def values(self, point: Point) -> Values:
        """The configuration that numbers for all axes, or for the active ones, stand for."""
        return {self.all[place].name: value for place, value in self._active(point).items()}

    def active(self, point: Point) -> Point:
        """Of numbers for all axes those for the active ones: the same where the configuration is the same."""
        axes = (self.all[place] for place in self._active(point))
        return {axis.key: point.get(axis.key, axis.low) for axis in axes}

    def draw(self, rng: np.random.Generator) -> Point:
        """A number for every axis, uniformly, active or not."""
        drawn = (parameter.dimension.sample(rng) for parameter in self.space.parameters)
        numbers = ((axis, axis.number(value)) for axis, value in zip(self.all, drawn, strict=True))
        return {axis.key: axis.low if number is None else number for axis, number in numbers}

    def point(self, values: Values) -> Point | None:
        """A configuration in numbers; None where it is none of the space's."""
        wanted = self.space.existing([values.get(axis.name) for axis in self.all])
        axes = [self.all[place] for place in wanted]
        if {axis.name for axis in axes} != set(values):
            return None
        numbers = {axis.key: axis.number(values[axis.name]) for axis in axes}
        point = {key: number for key, number in numbers.items() if number is not None}
        return point if len(point) == len(values) else None

    def _active(self, point: Point) -> dict[int, Scalar]:
        return self.space.existing([axis.value(point.get(axis.key, axis.low)) for axis in self.all])


def _keys(space: Space) -> Iterator[str]:
    """A key for each parameter: its name, with a mark for each that has had that name before."""
    taken = set(space.names())
    for place, parameter in enumerate(space.parameters):
        key = parameter.name
        while key in taken and any(p.name == parameter.name for p in space.parameters[:place]):
            key += "'"
        taken.add(key)
        yield key


def _axis(name: str, dimension: Dimension, layer: int | None) -> Axis:
    if isinstance(dimension, Int) and dimension.sampling == "linear":
        high = int(dimension.count()) - 1
        stride = dimension.step or 1
        return Axis(name, "whole", 0, high, offset=dimension.min, stride=stride, layer=layer)
    if isinstance(dimension, Int) and dimension.step is None:
        return Axis(name, "whole", dimension.min, dimension.max, log=True, layer=layer)
    options = dimension.values()
    if options is None:
        assert isinstance(dimension, Float), "all others are lists"  # noqa: S101
        log = dimension.sampling == "log"
        return Axis(name, "real", dimension.min, dimension.max, log=log, layer=layer)
    kind: Literal["category", "whole"] = "category" if isinstance(dimension, Choice | Boolean) else "whole"
    return Axis(name, kind, 0, len(options) - 1, options=tuple(options), layer=layer)
