"""The searched hyperparameters of a stack of layers: which there are, and for which layers."""

from __future__ import annotations

from collections.abc import Iterator

from jobs.dimensions import Boolean, Choice, Dimension, Float, Int
from jobs.errors import JobError
from jobs.modelspec import Layer, Model
from jobs.space import Parameter, Values

_BY_LAYER = ("units", "activation", "dropout")
LAYER_FIELDS = ("cell", *_BY_LAYER)


def of_layer(prefix: str, layer: Layer) -> Iterator[Parameter]:
    """What is searched of one layer of an explicit list."""
    for name, value in layer:
        if isinstance(value, Int | Float | Choice | Boolean):
            yield Parameter(f"{prefix}.{name}", value)


def of_field(name: str, dimension: Dimension, model: Model) -> Iterator[Parameter]:
    """A searched field, once or for each layer by itself.

    Raises:
        JobError: it is to be searched by layer, and no layer has it.
    """
    field = name.removeprefix("model.")
    open_layers = _layers_without(model, field)
    per_layer = dimension.per_layer or (model.per_layer and field in _BY_LAYER)
    if not per_layer:
        if open_layers:
            yield Parameter(name, dimension)
        return
    if field not in LAYER_FIELDS:
        raise JobError(f"{name}: per_layer is for {', '.join(LAYER_FIELDS)} of the model")
    for index in open_layers:
        yield Parameter(f"{name}.{index}", dimension, layer=index)


def _layers_without(model: Model, field: str) -> list[int]:
    """The layers that take a field of theirs from the model's; all, for what is no layer's field."""
    if not isinstance(model.layers, tuple) or field not in LAYER_FIELDS:
        return list(range(_deepest(model)))
    return [index for index, layer in enumerate(model.layers) if getattr(layer, field) is None]


def _deepest(model: Model) -> int:
    if isinstance(model.layers, tuple):
        return len(model.layers)
    if isinstance(model.layers, int):
        return model.layers
    return max(int(n) for n in model.layers.values() or [] if n is not None)


def depth(model: Model, values: Values) -> int:
    """The number of layers that some values give."""
    if isinstance(model.layers, tuple):
        return len(model.layers)
    chosen = values.get("model.layers", model.layers)
    return chosen if isinstance(chosen, int) else _deepest(model)
