"""Forecasts and scores from a served model: raw values in, raw values out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from jobs.baselines import naive_error, seasonal_naive
from jobs.errors import JobError
from jobs.metrics import forecast_metrics
from jobs.panel import Indices, Panel, Rows
from jobs.params import WindowParams
from jobs.windows import Parts, fit_scaler, make_windows

_BATCH = 1024


def predict_windows(model: Any, rows: Rows, starts: Indices, lookback: int) -> Rows:
    """Forecast from the windows that begin at ``starts``: (windows, horizon, targets), raw values."""
    chunks = np.split(starts, range(_BATCH, len(starts), _BATCH))
    inputs = (rows[chunk[:, None] + np.arange(lookback)] for chunk in chunks)
    return np.concatenate([np.asarray(model.predict_on_batch(batch), np.float32) for batch in inputs])


def score_test(
    model: Any, panel: Panel, parts: Parts, window: WindowParams, season: int
) -> dict[str, dict[str, float]] | None:
    """Metrics on the test part, of the model and of the seasonal naive baseline; None without a test part."""
    starts = make_windows(parts, window).test
    if not len(starts):
        return None
    origins = starts + window.lookback
    actual = panel.rows[origins[:, None] + np.arange(window.horizon)][:, :, : panel.targets]
    owner = np.searchsorted(panel.offsets, origins, side="right") - 1
    scales = {
        "deviation": np.ones(panel.targets)
        if window.scale == "none"
        else fit_scaler(panel, parts).deviation[: panel.targets],
        "naive_error": naive_error(panel, parts, season)[owner],
    }
    forecasts = {
        "model": predict_windows(model, panel.rows, starts, window.lookback),
        "seasonal_naive": seasonal_naive(panel, origins, horizon=window.horizon, season=season),
    }
    return {name: forecast_metrics(actual, forecast, **scales) for name, forecast in forecasts.items()}


def forecast_panel(model: Any, panel: Panel, *, lookback: int, horizon: int, time: str, series: str | None) -> pd.DataFrame:
    """Forecast what follows the end of every series.

    Returns:
        A frame with ``horizon`` rows a series: the series' id where there is one, the time, the targets.

    Raises:
        JobError: a series is shorter than the model's lookback.
    """
    short = np.flatnonzero(panel.lengths() < lookback)
    if len(short):
        who = panel.series[int(short[0])]
        name = "the series" if who is None else f"series {who!r} (and {len(short) - 1} more)"
        raise JobError(
            f"{name} has {panel.lengths()[short[0]]} steps, fewer than the {lookback} that the model looks back; "
            "give it more history"
        )
    forecasts = predict_windows(model, panel.rows, panel.offsets[1:] - lookback, lookback)
    frame = pd.DataFrame(
        forecasts.reshape(-1, panel.targets), columns=list(panel.columns[: panel.targets])
    )
    frame.insert(0, time, _times_ahead(panel, horizon))
    if series is not None:
        frame.insert(0, series, np.repeat(np.asarray(panel.series, dtype=object), horizon))
    return frame


def _times_ahead(panel: Panel, horizon: int) -> Any:
    last = panel.times[panel.offsets[1:] - 1]
    if panel.time_type == "int64":
        return (last[:, None] + panel.step() * np.arange(1, horizon + 1)).ravel()
    stamps = pd.DatetimeIndex(last, tz="UTC")
    offset = _calendar_step(panel)
    ahead = [stamps + offset * count for count in range(1, horizon + 1)]
    times = pd.DatetimeIndex(np.stack([index.as_unit("ns").asi8 for index in ahead], axis=1).ravel(), tz="UTC")
    zone = panel.time_type.partition("tz=")[2].rstrip("]")
    return times.tz_convert(zone) if zone else times.tz_localize(None)


def _calendar_step(panel: Panel) -> Any:
    """One step ahead: a fixed time, or calendar months where steps are about a month or more."""
    days = panel.step() / 86_400_000_000_000
    if days >= 28:
        return pd.DateOffset(months=max(1, round(days / 30.44)))
    return pd.Timedelta(panel.step(), unit="ns")
