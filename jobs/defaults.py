"""The configuration that a job means by itself, and configurations that come from other jobs."""

from __future__ import annotations

from jobs.dimensions import Scalar
from jobs.modelspec import Model
from jobs.params import space_of
from jobs.searchable import Section
from jobs.space import Values
from jobs.spec import Job, Train, Window

_SECTIONS: dict[str, type[Section]] = {"window": Window, "model": Model, "train": Train}


def default_values(job: Job) -> Values:
    """Of each searched hyperparameter the value nearest to its default, the field's or the function's."""
    space, values = space_of(job), Values()
    for each in space.parameters:
        if each.name not in values and each.holds(dict(values)):
            default = _default(each.name) if each.default is None else each.default
            values[each.name] = each.dimension.nearest(default)
    return space.active(values)


def _default(name: str) -> Scalar:
    """A field's default; a layer's own are the model's."""
    section, *others = name.split(".")
    if section not in _SECTIONS or not others:
        return None
    *middle, last = others
    fields = _SECTIONS[section].model_fields
    field = next((part for part in (last, *middle) if part in fields), None)
    return None if field is None else fields[field].default


def fitting(job: Job, found: Values) -> Values | None:
    """The values of another job's configuration as one of this job's; None if one is missing or not allowed.

    What this job does not search is its own, whatever the other's was; of layers that differ there, where
    they are alike here, none is taken.

    Args:
        job: whose space they have to fit.
        found: every hyperparameter by name, see ``params.hyperparameters``.
    """
    space = space_of(job)
    depth = found.get("model.layers")
    values: Values = {}
    for parameter in space.parameters:
        if parameter.layer is not None and isinstance(depth, int) and parameter.layer >= depth:
            values[parameter.name] = None  # there is no such layer
            continue
        if parameter.name in values or not parameter.holds(dict(values)):
            continue
        known = _known(parameter.name, found)
        if len(known) != 1 or not _same(parameter.dimension.nearest(known[0]), known[0]):
            return None
        values[parameter.name] = known[0]
    return space.active(values)


def _known(name: str, found: Values) -> list[Scalar]:
    """The different values of a hyperparameter, which may be told of a layer, of all, or of each."""
    for one in (name, name.rpartition(".")[0]):
        if one in found:
            return [found[one]]
    each = [value for other, value in found.items() if other.rpartition(".")[0] == name]
    return [value for index, value in enumerate(each) if not any(_same(value, e) for e in each[:index])]


def _same(one: Scalar, other: Scalar) -> bool:
    return type(one) is type(other) and one == other
