"""The configurations of parameters that exist only beside certain values of others: how many, and which."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from jobs.dimensions import Scalar

if TYPE_CHECKING:
    from jobs.space import Parameter, Values

_OTHER = object()  # any value that no condition names
_Known = frozenset[tuple[str, object]]


class Enumeration:
    """All configurations in the order of the parameters, the last one's values changing fastest.

    Of a parameter that others depend on, each value that a condition names is followed by itself and all the
    others together; what nobody further on asks for is forgotten, so that independent conditions add up.
    """

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        """Look at who depends on whom."""
        names = [p.name for p in parameters]
        self._parameters = parameters
        self._told: dict[str, set[Scalar]] = {name: set() for name in names if names.count(name) > 1}
        for condition in (each for p in parameters for each in p.when):
            self._told.setdefault(condition.name, set()).update(condition.values)
        self._last = {n: i for i, p in enumerate(parameters) for n in (p.name, *(c.name for c in p.when))}
        self._counts: dict[tuple[int, _Known], float] = {}

    def size(self) -> float:
        """How many there are; ``inf`` where a range is continuous."""
        return self._count(0, frozenset())

    def at(self, index: int) -> Values:
        """The one before which there are ``index`` others.

        Raises:
            IndexError: there are not so many.
        """
        found: Values = {}
        known: _Known = frozenset()
        for place, parameter in enumerate(self._parameters):
            if not _exists(parameter, known):
                known = self._after(place, known)
                continue
            for first, number, following in self._stretches(place, known):
                each = self._count(place + 1, following)
                if index < number * each:
                    skipped, index = divmod(index, int(each))
                    found[parameter.name] = parameter.dimension.at(first + skipped)
                    known = following
                    break
                index -= int(number * each)
            else:
                raise IndexError(index)
        return found

    def _count(self, place: int, known: _Known) -> float:
        """Of the parameters from ``place`` on, beside what is ``known`` of those before."""
        key = place, known
        if key not in self._counts:
            self._counts[key] = self._counted(place, known)
        return self._counts[key]

    def _counted(self, place: int, known: _Known) -> float:
        if place == len(self._parameters):
            return 1
        if not _exists(self._parameters[place], known):
            return self._count(place + 1, self._after(place, known))
        return sum(n * self._count(place + 1, following) for _, n, following in self._stretches(place, known))

    def _stretches(self, place: int, known: _Known) -> Iterable[tuple[int, float, _Known]]:
        """Runs of values alike to what follows: the first, how many, and what is known after them."""
        parameter = self._parameters[place]
        name, count = parameter.name, parameter.dimension.count()
        if name not in self._told:
            yield 0, count, self._after(place, known)
            return
        named = self._told[name]
        values = parameter.dimension.values() or [] if named else []
        start = 0
        for at in [at for at, value in enumerate(values) if value in named]:
            if at > start:
                yield start, at - start, self._after(place, known | {(name, _OTHER)})
            yield at, 1, self._after(place, known | {(name, values[at])})
            start = at + 1
        if count > start:
            yield start, count - start, self._after(place, known | {(name, _OTHER)})

    def _after(self, place: int, known: _Known) -> _Known:
        return frozenset((name, value) for name, value in known if self._last[name] > place)


def _exists(parameter: Parameter, known: _Known) -> bool:
    values = dict(known)
    return parameter.name not in values and parameter.holds(values)
