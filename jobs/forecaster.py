"""What is saved and served: a network with its scaling inside, so that Keras alone loads and runs it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from jobs.cut import Cutter
from jobs.engine.window import NORMALISE, Window, normalised, plus
from jobs.models import build_network
from jobs.panel import Panel
from jobs.params import Params
from jobs.scaling import Scaler, Scaling


def build_forecaster(params: Params, scaler: Scaler, panel: Panel, network: Any = None) -> Any:
    """Build the network with its scaling: raw values in, raw (batch, horizon, targets) out.

    Its inputs, by name: ``values`` (batch, lookback, the panel's inputs); ``future``
    (batch, horizon, known columns), where there are any; ``length`` (batch,), the steps that a window has,
    where it may have fewer than the lookback, behind which its last step is repeated; ``centre`` and
    ``spread`` (batch, the panel's inputs), where each series is scaled by its own.

    Args:
        params: the trial's.
        scaler: what it was trained with.
        panel: one with the inputs of the one that it was trained on.
        network: scaled (batch, lookback, inputs) to scaled (batch, horizon, targets);
            None: the parameters' own.
    """
    window, targets = params.window, panel.targets
    cutter = Cutter(panel, window, separate=window.channel_independent)
    given = _inputs(panel, cutter)
    span = None if window.scale == "none" else _span(given, scaler)
    seen = _scaled(given, panel, scaler, span)
    network = network or _network(params, cutter)
    forecast = _forecast(params, cutter, network, _channels(seen, cutter) if cutter.separate else seen)
    if cutter.separate:
        forecast = ops.transpose(ops.reshape(forecast, (-1, targets, window.horizon)), (0, 2, 1))
    if span is not None:
        forecast = plus(forecast * span[1][..., :targets], span[0][..., :targets])
    if scaler.powers is not None:
        forecast = scaler.powers.lowered(ops, forecast)
    return keras.Model(given if len(given) > 1 else given["values"], forecast, name="forecaster")


def _inputs(panel: Panel, cutter: Cutter) -> dict[str, Any]:
    window, width = cutter.window, len(panel.inputs)
    given = {"values": keras.Input((window.lookback, width), name="values")}
    if panel.known:
        given["future"] = keras.Input((window.horizon, panel.known), name="future")
    if window.padded:
        given["length"] = keras.Input((), dtype="int32", name="length")
    if Scaling.of(window).by_series:
        given |= {name: keras.Input((width,), name=name) for name in ("centre", "spread")}
    return given


def _span(given: dict[str, Any], scaler: Scaler) -> tuple[Any, Any]:
    """Centre and spread of the columns: constants, or given for each window, (batch, 1, columns)."""
    if "centre" in given:
        return ops.expand_dims(given["centre"], 1), ops.expand_dims(given["spread"], 1)
    return scaler.centre.astype(np.float32), scaler.spread.astype(np.float32)


def _scaled(given: dict[str, Any], panel: Panel, scaler: Scaler, span: tuple[Any, Any] | None) -> Window:
    x, ahead, targets = given["values"], given.get("future"), panel.targets
    if scaler.powers is not None:
        found = scaler.powers.raised(ops, x[:, :, :targets])
        x = ops.concatenate([found, x[:, :, targets:]], axis=2) if x.shape[2] > targets else found
    if span is not None:
        # Not a Normalization layer: it squares the deviation, and clips it below 1e-7.
        centre, spread = span
        x = (x - centre) / spread
        if ahead is not None:
            first = len(panel.columns) - panel.masks - panel.known
            known = slice(first, first + panel.known)
            ahead = (ahead - centre[..., known]) / spread[..., known]
    return Window(x, ahead, given.get("length"))


def _channels(window: Window, cutter: Cutter) -> Window:
    """Each target a window of its own, with what belongs to all of them: (batch · targets, …)."""
    panel, lookback = cutter.panel, cutter.window.lookback
    static = np.arange(len(panel.inputs) - len(panel.statics), len(panel.inputs))
    columns = np.concatenate([cutter.columns, np.tile(static, (cutter.channels, 1))], axis=1)
    x = ops.reshape(ops.take(window.x, columns.ravel(), axis=2), (-1, lookback, *columns.shape))
    x = ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (-1, lookback, columns.shape[1]))
    others = (window.ahead, window.length)
    return Window(
        x, *(each if each is None else ops.repeat(each, cutter.channels, axis=0) for each in others)
    )


def _network(params: Params, cutter: Cutter) -> Any:
    return build_network(
        params.network,
        lookback=params.window.lookback,
        inputs=cutter.inputs,
        horizon=params.window.horizon,
        targets=cutter.targets,
        known=cutter.panel.known,
        padded=params.window.padded,
    )


def _forecast(params: Params, cutter: Cutter, network: Any, window: Window) -> Any:
    """The scaled forecast, on each window's own level where it has one."""
    x, level = normalised(window, NORMALISE.get(params.window.scale, "none"), cutter.known.start)
    given = [each for each in (x, window.ahead, window.length) if each is not None]
    forecast = network(given if len(given) > 1 else given[0])
    return forecast if level is None else level.back(forecast)
