"""The recurrent networks and the forecasters round them, built from Keras's own layers.

A *network* maps scaled history to scaled forecasts.  A *forecaster* takes raw history and holds the scaling
inside, so that what is saved needs nothing else: Keras alone loads and runs it.  Training is done by
``jobs.engine`` on the same weights, much faster.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from jobs.params import LayerParams, NetworkParams, Params
from jobs.scaling import Scaler


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


def build_network(network: NetworkParams, *, lookback: int, inputs: int, horizon: int, targets: int) -> Any:
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


def build_forecaster(params: Params, scaler: Scaler | None, *, inputs: int, targets: int) -> Any:
    """Build the network with its scaling: raw (batch, lookback, inputs) to raw (batch, horizon, targets).

    ``scaler`` None (``window.scale: none``) leaves values as they are.

    ``window.scale: instance`` also subtracts each window's last value and adds the target's back to the
    forecast, as in NLinear (Zeng et al. 2023, arXiv:2205.13504).
    """
    window = params.window
    raw = keras.Input((window.lookback, inputs), name="values")
    x = raw
    if scaler is not None:
        # Not a Normalization layer: it squares the deviation, and clips it below 1e-7.
        x = (x - scaler.mean.astype(np.float32)) / scaler.deviation.astype(np.float32)
    level = None
    if window.scale == "instance":
        last_step = keras.layers.Cropping1D((window.lookback - 1, 0), name="last_step")(x)
        x = keras.layers.Subtract(name="level_out")([x, last_step])
        level = last_step[:, :, :targets]
    network = build_network(
        params.network, lookback=window.lookback, inputs=inputs, horizon=window.horizon, targets=targets
    )
    scaled = network(x)
    if level is not None:
        scaled = keras.layers.Add(name="level_in")([scaled, level])
    if scaler is not None:
        mean, deviation = scaler.mean[:targets], scaler.deviation[:targets]
        scaled = scaled * deviation.astype(np.float32) + mean.astype(np.float32)
    return keras.Model(raw, scaled, name="forecaster")
