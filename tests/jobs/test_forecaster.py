"""The served model gives what was trained: for windows of every shape, from raw values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from jobs.checkpoint import load_model, model_bytes
from jobs.cut import Cutter
from jobs.dataspec import Split
from jobs.engine.network import Network
from jobs.engine.on_tensorflow import PLAIN
from jobs.engine.window import Window
from jobs.feed import Feed
from jobs.forecast import Served
from jobs.forecaster import build_forecaster
from jobs.learner import network_of
from jobs.models import set_weights
from jobs.panel import Panel
from jobs.params import LayerParams, Params
from jobs.parts import split_panel
from jobs.scaling import Scaler, Scaling, fit_scaler
from jobs.windows import make_windows
from tests.jobs.engine.test_network import cut
from tests.jobs.layouts import WINDOWS, gapped_panel, rich_panel, window
from tests.jobs.small import params

LAYERS = (LayerParams("gru", 5, "tanh", 0.2), LayerParams("lstm", 4, "tanh", 0.0))
BARE = replace(
    rich_panel(),
    columns=("a", "b"),
    rows=rich_panel().rows[:, :2],
    known=0,
    calendar=0,
    masks=0,
    static=None,
    statics=(),
)


def by_engine(chosen: Params, found: Panel, scaler: Scaler, flat: Any, starts: Any) -> Any:
    """The forecast of what was trained, brought back by hand: (windows, horizon, targets)."""
    separate = chosen.window.channel_independent
    cutter = Cutter(found, chosen.window, separate=separate)
    network = replace(network_of(Network, chosen, cutter), sequence=False)
    marks = starts if not separate else (starts[:, None] * 2 + np.arange(2)).ravel()
    batch = Feed(cutter, scaler).gather(marks, batch=len(marks), capacity=1)
    given = Window(
        batch["x"][0], *(batch[name][0] if name in batch else None for name in ("ahead", "length"))
    )
    forecast = np.asarray(network.apply(PLAIN, network.unflatten(flat), given)[0])
    if separate:
        forecast = forecast[:, :, 0].reshape(len(starts), 2, -1).transpose(0, 2, 1)
    centre, spread = scaler.of(Cutter(found, chosen.window).series(starts))
    forecast = forecast * spread[:, :, :2] + centre[:, :, :2]
    return forecast if scaler.powers is None else scaler.powers.lowered(np, forecast)


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("found", [rich_panel(), BARE, gapped_panel()], ids=["rich", "bare", "gapped"])
def test_the_served_model_is_what_was_trained(name: str, found: Panel) -> None:
    chosen = replace(params(layers=LAYERS), window=window(name))
    parts = split_panel(found, Split(validation=6, test=6))
    scaler = fit_scaler(found, parts, Scaling.of(chosen.window))
    cutter = Cutter(found, chosen.window, separate=chosen.window.channel_independent)
    network = network_of(Network, chosen, cutter)
    flat = np.random.default_rng(3).normal(scale=0.3, size=network.size).astype(np.float32)
    model = build_forecaster(chosen, scaler, found)
    set_weights(model, cut(network, flat))
    starts = make_windows(parts, chosen.window).test[:]

    loaded = load_model(model_bytes(model))  # as it comes back from storage, in Keras's safe mode
    by_series = scaler if Scaling.of(chosen.window).by_series else None
    served = Served(loaded, Cutter(found, chosen.window), by_series).forecast(starts)

    wanted = by_engine(chosen, found, scaler, flat, starts)
    assert served.shape == (len(starts), chosen.window.horizon, 2)
    np.testing.assert_allclose(served, wanted, rtol=2e-4, atol=2e-3)
    assert np.ptp(served[:, 0, 0]) > 0  # it depends on the window


@pytest.mark.parametrize("name", ["series", "instance-padded", "moments", "separate-series", "plain"])
def test_as_many_windows_as_steps_are_forecast_as_each_by_itself(name: str) -> None:
    """Keras takes what belongs to each window for a bias of the steps where there are as many of both."""
    found = replace(rich_panel(), columns=rich_panel().columns[:1], rows=rich_panel().rows[:, :1], targets=1)
    found = replace(found, known=0, calendar=0, masks=0, static=None, statics=())
    layers = (LayerParams("gru", 1, "tanh", 0.0),)
    for panel in (
        found,
        replace(
            rich_panel(), targets=1, masks=0, columns=rich_panel().columns[:6], rows=rich_panel().rows[:, :6]
        ),
    ):
        chosen = replace(params(layers=layers), window=replace(window(name), transform="none"))
        parts = split_panel(panel, Split(validation=6, test=6))
        scaler = fit_scaler(panel, parts, Scaling.of(chosen.window))
        model = build_forecaster(chosen, scaler, panel)
        served = Served(
            model, Cutter(panel, chosen.window), scaler if Scaling.of(chosen.window).by_series else None
        )
        starts = make_windows(parts, chosen.window).test[:]
        starts = np.concatenate([starts[-2:], starts])  # of two series at least

        for count in (chosen.window.horizon, chosen.window.horizon + 1):
            together = served.forecast(starts[:count])
            alone = np.concatenate([served.forecast(starts[index : index + 1]) for index in range(count)])
            np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-3)
            eager = model(given if len(given := served._given(starts[:count], None)) > 1 else given["values"])
            np.testing.assert_allclose(eager, alone, rtol=1e-4, atol=1e-3)
