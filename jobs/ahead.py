"""The steps after the end of series: their times, and what is known of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from jobs.panel import Indices, Panel

_DAY = 86_400_000_000_000  # nanoseconds


def times_ahead(panel: Panel, last: Indices, horizon: int) -> Any:
    """The times of the ``horizon`` steps after each of some times, all in a row, as people read them."""
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


def in_panels_unit(times: Any) -> Indices:
    """Such times as a panel has them."""
    if not isinstance(times, pd.DatetimeIndex):
        return np.asarray(times, np.int64)
    return np.asarray(times.as_unit("ns").asi8, np.int64)


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
