"""Small changes of a configuration, for population based training (Jaderberg et al. 2017, section 4.1)."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from jobs.dimensions import Boolean, Choice, Float, Int, Scalar
from jobs.space import Parameter, Space, Values

_FACTORS = (0.8, 1.2)
_RESAMPLED = 0.25  # of the values: drawn anew, not perturbed
MUTABLE = ("train.learning_rate", "train.clip_norm", "train.batch_size", "window.stride", "model.dropout")
# What a user's own network calls them.
_OWN = re.compile(r"(^|[_./])(learning_rate|lr|dropout)(_rate)?(_\d+)?$")


def mutable(space: Space) -> list[Parameter]:
    """The hyperparameters that weights can be trained on with another value of, and no others depend on."""
    parents = {condition.name for parameter in space.parameters for condition in parameter.when}
    return [each for each in space.parameters if each.name not in parents and _is_mutable(each)]


def _is_mutable(parameter: Parameter) -> bool:
    name = parameter.name
    own = isinstance(parameter.dimension, Float) and _OWN.search(name) is not None
    return own or name.startswith(MUTABLE) or name.endswith(".dropout")


def mutated(space: Space, values: Values, seed: list[int]) -> Values:
    """The same configuration with other values of what is ``mutable``; equal seeds give equal ones."""
    rng = np.random.default_rng(seed)
    meant = [space.parameters[place] for place in space.meant(values)]
    changed = {each.name: _other(each, values[each.name], rng) for each in mutable(space) if each in meant}
    return values | changed


def _other(parameter: Parameter, value: Scalar, rng: np.random.Generator) -> Scalar:
    """Drawn anew; or, of a list, a neighbour; or, of a range, a fifth less or more."""
    dimension: Any = parameter.dimension
    if rng.random() < _RESAMPLED:
        return dimension.sample(rng)
    options = dimension.values()
    if isinstance(dimension, Choice | Boolean) or (options is not None and dimension.step is not None):
        index = options.index(value) + int(rng.choice([-1, 1]))
        return options[min(max(index, 0), len(options) - 1)]
    assert isinstance(dimension, Int | Float), "the other kinds are lists"  # noqa: S101
    changed = float(value or 0) * float(rng.choice(_FACTORS))
    changed = min(max(changed, dimension.min), dimension.max)
    return round(changed) if isinstance(dimension, Int) else changed
