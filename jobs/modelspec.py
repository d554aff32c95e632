"""The job file's ``model`` where it is a stack of recurrent layers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from jobs.dimensions import Dimension
from jobs.searchable import Positive, Searchable, Searched, Section, as_written

Cell = Literal["simple_rnn", "lstm", "gru"]
Activation = Literal[
    "tanh", "relu", "sigmoid", "linear", "elu", "selu", "gelu", "silu", "softplus", "softsign", "hard_sigmoid"
]
Rate = Annotated[float, Field(ge=0, lt=1)]
_SearchedCount = Annotated[Positive | Dimension, Searched()]


class Layer(Section):
    """One recurrent layer of an explicit list; what it leaves out is the model's own."""

    cell: Searchable[Cell] | None = None
    units: Searchable[Positive] | None = None
    activation: Searchable[Activation] | None = None
    dropout: Searchable[Rate] | None = None


def _at_least_one(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    if not layers:
        raise ValueError("lists no layer; write at least one, or a number of layers")
    return layers


def _stack_as_written(stack: Any) -> Any:
    if isinstance(stack, tuple):
        return [layer.model_dump(mode="json") for layer in stack]
    return as_written(stack)


class _Stack:
    """Lets ``layers`` be a fixed or searched number of layers, or an explicit list of them."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        count = handler.generate_schema(_SearchedCount)
        layers = handler.generate_schema(Annotated[tuple[Layer, ...], Field(strict=False)])
        listed = core_schema.no_info_after_validator_function(_at_least_one, layers)
        del source  # the annotation says the same in types
        return core_schema.tagged_union_schema(
            {"list": listed, "count": count},
            discriminator=lambda raw: "list" if isinstance(raw, list | tuple) else "count",
            serialization=core_schema.plain_serializer_function_ser_schema(_stack_as_written),
        )


class Model(Section):
    """The recurrent network: a stack of layers and a dense head."""

    cell: Searchable[Cell] = "gru"
    layers: Annotated[Positive | Dimension | tuple[Layer, ...], _Stack()] = 1
    units: Searchable[Positive] = 64
    activation: Searchable[Activation] = "tanh"
    dropout: Searchable[Rate] = 0.0
    per_layer: bool = False  # search units, activation and dropout for each layer on its own
    reset_after: Searchable[bool] = True  # the GRU's variant; True is Keras's and cuDNN's
    output_activation: Searchable[Activation] = "linear"
