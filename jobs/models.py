"""The recurrent networks, built from Keras's own layers: scaled history to scaled forecasts.

Training is done by ``jobs.engine`` on the same weights, much faster.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from jobs.engine.window import plus
from jobs.params import LayerParams, NetworkParams


def recurrent_layer(
    layer: LayerParams, *, return_sequences: bool, reset_after: bool = True, name: str | None = None
) -> Any:
    """One recurrent Keras layer: (batch, steps, features) to (batch, units), or (batch, steps, units).

    GRU with ``reset_after`` applies the reset gate after the recurrent product (cuDNN's form, Keras's
    default); without it, before (Cho et al. 2014, arXiv:1406.1078).
    """
    common = {"activation": layer.activation, "return_sequences": return_sequences, "name": name}
    match layer.cell:
        case "simple_rnn":
            return keras.layers.SimpleRNN(layer.units, **common)
        case "lstm":
            return keras.layers.LSTM(layer.units, **common)
        case "gru":
            return keras.layers.GRU(layer.units, reset_after=reset_after, **common)
        case other:
            raise AssertionError(f"no such cell: {other}")


def build_network(  # noqa: PLR0913 - the sizes of all that goes in and comes out
    network: NetworkParams,
    *,
    lookback: int,
    inputs: int,
    horizon: int,
    targets: int,
    known: int = 0,
    padded: bool = False,
) -> Any:
    """The trained part of a forecaster: scaled (batch, lookback, inputs) to scaled (batch, horizon, targets).

    Each recurrent layer is followed by its dropout; all but the last return sequences; a head gives the
    whole horizon in one go, see ``engine.head.Head``.  What is ``known`` of the steps to forecast is a second
    input, (batch, horizon, known); where windows may be ``padded``, how many steps each has is the last,
    (batch,).
    """
    given = [keras.Input((lookback, inputs), name="history")]
    x = given[0]
    last = len(network.layers) - 1
    for index, layer in enumerate(network.layers):
        cell = recurrent_layer(
            layer,
            return_sequences=index < last or padded,
            reset_after=network.reset_after,
            name=f"{layer.cell}_{index}",
        )
        x = cell(x)
        if padded and index == last:
            length = keras.Input((), dtype="int32", name="length")
            x = _last_step(x, length)
        if layer.dropout > 0:
            x = keras.layers.Dropout(layer.dropout, name=f"dropout_{index}")(x)
    forecast = keras.layers.Dense(horizon * targets, name="head")(x)
    forecast = keras.layers.Reshape((horizon, targets), name="steps")(forecast)
    if known:
        given.append(keras.Input((horizon, known), name="ahead"))
        forecast = keras.layers.Add(name="with_ahead")([forecast, _local(x, given[-1], targets)])
    if network.output_activation != "linear":
        forecast = keras.layers.Activation(network.output_activation, name="activation")(forecast)
    if padded:
        given.append(length)
    return keras.Model(given if len(given) > 1 else given[0], forecast, name="network")


def _last_step(outputs: Any, length: Any) -> Any:
    """The output (batch, units) of each window's last step, of (batch, lookback, units)."""
    steps = ops.arange(outputs.shape[1])
    is_last = ops.equal(ops.expand_dims(steps, 0), ops.expand_dims(length - 1, 1))
    return ops.sum(outputs * ops.cast(ops.expand_dims(is_last, -1), "float32"), axis=1)


def _local(state: Any, ahead: Any, targets: int) -> Any:
    """What the local decoder says of each step: (batch, horizon, targets)."""
    units = state.shape[-1]
    seen = keras.layers.Dense(units, use_bias=False, name="local_ahead")(ahead)
    both = plus(seen, ops.expand_dims(keras.layers.Dense(units, name="local_state")(state), 1))
    return keras.layers.Dense(targets, use_bias=False, name="local_output")(ops.relu(both))


def set_weights(model: Any, weights: list[Any]) -> None:
    """Give a forecaster the weights of its network, in the order of ``engine.network.Network.shapes``."""
    rest = list(weights)
    for layer in _layers(model):
        count = len(layer.weights)
        layer.set_weights(rest[:count])
        rest = rest[count:]


def get_weights(model: Any) -> list[Any]:
    """What ``set_weights`` has given a forecaster.

    Raises:
        ValueError: it is no such model.
    """
    return [weight for layer in _layers(model) for weight in layer.get_weights()]


def _layers(model: Any) -> list[Any]:
    """The layers that have weights, in the order of the engine's."""
    layers = {layer.name: layer for layer in model.get_layer("network").layers if layer.weights}
    local = ("head", "local_state", "local_ahead", "local_output")
    names = [name for name in layers if name not in local] + [name for name in local if name in layers]
    return [layers[name] for name in names]
