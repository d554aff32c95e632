"""The recurrent networks, built from Keras's own layers."""

from __future__ import annotations

from typing import Any

import keras

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


def build_network(
    network: NetworkParams, *, lookback: int, inputs: int, horizon: int, targets: int
) -> Any:
    """The trained part of a forecaster: scaled (batch, lookback, inputs) to scaled (batch, horizon, targets).

    Each recurrent layer is followed by its dropout; all but the last return sequences; a dense head gives
    the whole horizon in one go.
    """
    history = keras.Input((lookback, inputs), name="history")
    x = history
    last = len(network.layers) - 1
    for index, layer in enumerate(network.layers):
        cell = recurrent_layer(
            layer,
            return_sequences=index < last,
            reset_after=network.reset_after,
            name=f"{layer.cell}_{index}",
        )
        x = cell(x)
        if layer.dropout > 0:
            x = keras.layers.Dropout(layer.dropout, name=f"dropout_{index}")(x)
    x = keras.layers.Dense(horizon * targets, activation=network.output_activation, name="head")(x)
    return keras.Model(history, keras.layers.Reshape((horizon, targets), name="steps")(x), name="network")
