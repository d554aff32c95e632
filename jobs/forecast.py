"""Forecasts and scores from a served model: raw values in, raw values out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from jobs.baselines import naive_error, seasonal_naive
from jobs.errors import JobError
from jobs.feed import drawn
from jobs.metrics import Metrics
from jobs.panel import Indices, Panel, Rows
from jobs.params import WindowParams
from jobs.parts import Parts
from jobs.scaling import scaler_of
from jobs.windows import make_windows, named

_BATCH = 1024
_CHUNK = 8 * _BATCH  # windows that are scored at a time
MOST_SCORED = 1 << 20  # windows
_DAY = 86_400_000_000_000  # nanoseconds


def predict_windows(model: Any, rows: Rows, starts: Indices, lookback: int) -> Rows:
    """Forecast from the windows that begin at ``starts``: (windows, horizon, targets), raw values."""
    chunks = np.split(starts, range(_BATCH, len(starts), _BATCH))
    inputs = (rows[chunk[:, None] + np.arange(lookback)] for chunk in chunks)
    return np.concatenate([np.asarray(model.predict_on_batch(batch), np.float32) for batch in inputs])


def score_test(
    model: Any, panel: Panel, parts: Parts, window: WindowParams, season: int
) -> dict[str, dict[str, float]] | None:
    """Metrics on the test part, of the model and of the seasonal naive baseline; None without a test part.

    Where it has more than ``MOST_SCORED`` windows, on as many of them, drawn evenly.
    """
    starts = drawn(make_windows(parts, window).test, MOST_SCORED)
    if not len(starts):
        return None
    scaled = window.scale != "none"
    deviation = scaler_of(panel, parts).deviation[: panel.targets] if scaled else np.ones(panel.targets)
    naive_errors = naive_error(panel, parts, season)
    scores = {"model": Metrics(deviation), "seasonal_naive": Metrics(deviation)}
    for begin in range(0, len(starts), _CHUNK):
        chunk = starts[begin : begin + _CHUNK]
        origins = chunk + window.lookback
        actual = panel.rows[origins[:, None] + np.arange(window.horizon)][:, :, : panel.targets]
        scale = naive_errors[np.searchsorted(panel.offsets, origins, side="right") - 1]
        scores["model"].add(actual, predict_windows(model, panel.rows, chunk, window.lookback), scale)
        naive = seasonal_naive(panel, origins, horizon=window.horizon, season=season)
        scores["seasonal_naive"].add(actual, naive, scale)
        if panel.pages is not None:
            panel.pages.ease()
    return {name: metrics.means() for name, metrics in scores.items()}


def check_history(panel: Panel, lookback: int, short: str) -> None:
    """See that there is something to forecast from: in every series, or in one if others may be left out.

    Raises:
        JobError: a series is shorter than the model's lookback.
    """
    lengths = panel.lengths()
    found = np.flatnonzero(lengths < lookback)
    if len(found) and (short == "error" or len(found) == len(lengths)):
        raise JobError(
            f"{named(panel, found)} has {lengths[found[0]]} steps, fewer than the {lookback} "
            "that the model looks back; give it more history"
        )


def forecast_panel(
    model: Any, panel: Panel, *, lookback: int, horizon: int, time: str, series: str | None
) -> pd.DataFrame:
    """Forecast what follows the end of every series that is as long as the model looks back.

    Returns:
        A frame with ``horizon`` rows a series: the series' id where there is one, the time, the targets.
    """
    enough = panel.lengths() >= lookback
    ends = panel.offsets[1:][enough]
    forecasts = predict_windows(model, panel.rows, ends - lookback, lookback)
    frame = pd.DataFrame(forecasts.reshape(-1, panel.targets), columns=list(panel.columns[: panel.targets]))
    frame.insert(0, time, _times_ahead(panel, panel.times[ends - 1], horizon))
    if series is not None:
        frame.insert(0, series, np.repeat(np.asarray(panel.series, dtype=object)[enough], horizon))
    return frame


def _times_ahead(panel: Panel, last: Indices, horizon: int) -> Any:
    if panel.time_type == "int64":
        return (last[:, None] + panel.step() * np.arange(1, horizon + 1)).ravel()
    ahead, step = np.arange(1, horizon + 1), panel.step()
    zone = panel.time_type.partition("tz=")[2].rstrip("]")
    if step % _DAY:
        times = pd.DatetimeIndex((last[:, None] + step * ahead).ravel(), tz="UTC")
        return times.tz_convert(zone) if zone else times.tz_localize(None)
    # Days and months are the calendar's where the series live: midnight stays midnight in summer.
    local = _local(panel.times, zone)
    months = max(1, round(step / _DAY / 30.44))
    day = int(local.day.max())
    if step >= 28 * _DAY and np.array_equal(local.day, np.minimum(day, local.days_in_month)):
        times = _months_ahead(_local(last, zone), months * ahead, day)
    else:
        times = pd.DatetimeIndex((_local(last, zone).asi8[:, None] + step * ahead).ravel())
    return times.tz_localize(zone, ambiguous=False, nonexistent="shift_forward") if zone else times


def _local(times: Indices, zone: str) -> pd.DatetimeIndex:
    """What the clock on the wall shows."""
    stamps = pd.DatetimeIndex(times, tz="UTC")
    return (stamps.tz_convert(zone) if zone else stamps).tz_localize(None).as_unit("ns")


def _months_ahead(last: pd.DatetimeIndex, months: Any, day: int) -> pd.DatetimeIndex:
    """The same time of day on ``day``, or on the last day of shorter months."""
    firsts = last.to_numpy().astype("datetime64[M]")[:, None] + months
    firsts = pd.DatetimeIndex(firsts.ravel().astype("datetime64[ns]"))
    days = pd.to_timedelta(np.minimum(day, firsts.days_in_month) - 1, unit="D")
    clock = (last - last.normalize()).repeat(len(months))
    return (firsts + days + clock).as_unit("ns")
