"""The steps after the end of series: their times, and what is known of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from jobs.clock import DAY, wall, zone_of
from jobs.errors import JobError
from jobs.naming import shown
from jobs.panel import Indices, Panel, Rows
from jobs.timefeatures import features


def times_ahead(panel: Panel, last: Indices, horizon: int) -> Any:
    """The times of the ``horizon`` steps after each of some times, all in a row, as people read them."""
    if panel.time_type == "int64":
        return (last[:, None] + panel.step() * np.arange(1, horizon + 1)).ravel()
    ahead, step = np.arange(1, horizon + 1), panel.step()
    zone = zone_of(panel.time_type)
    if step % DAY:
        times = pd.DatetimeIndex((last[:, None] + step * ahead).ravel(), tz="UTC")
        return times.tz_convert(zone) if zone else times.tz_localize(None)
    # Days and months are the calendar's where the series live: midnight stays midnight in summer.
    local = pd.DatetimeIndex(wall(panel.times, zone))
    months = max(1, round(step / DAY / 30.44))
    day = int(local.day.max())
    if step >= 28 * DAY and np.array_equal(local.day, np.minimum(day, local.days_in_month)):
        times = _months_ahead(pd.DatetimeIndex(wall(last, zone)), months * ahead, day)
    else:
        times = pd.DatetimeIndex((wall(last, zone)[:, None] + step * ahead).ravel())
    return times.tz_localize(zone, ambiguous=False, nonexistent="shift_forward") if zone else times


def in_panels_unit(times: Any) -> Indices:
    """Such times as a panel has them."""
    if not isinstance(times, pd.DatetimeIndex):
        return np.asarray(times, np.int64)
    return np.asarray(times.as_unit("ns").asi8, np.int64)


def _months_ahead(last: pd.DatetimeIndex, months: Any, day: int) -> pd.DatetimeIndex:
    """The same time of day on ``day``, or on the last day of shorter months."""
    firsts = last.to_numpy().astype("datetime64[M]")[:, None] + months
    firsts = pd.DatetimeIndex(firsts.ravel().astype("datetime64[ns]"))
    days = pd.to_timedelta(np.minimum(day, firsts.days_in_month) - 1, unit="D")
    clock = (last - last.normalize()).repeat(len(months))
    return (firsts + days + clock).as_unit("ns")


def known_ahead(panel: Panel, series: Indices, horizon: int, future: Panel | None) -> Rows | None:
    """What is known of the steps after the end of some series.

    Args:
        panel: the history.
        series: numbers of the series to forecast.
        horizon: steps ahead.
        future: the future covariates as targets, of these steps at least; None where there are none.

    Returns:
        (series, horizon, known) float32; None where nothing is known ahead.

    Raises:
        JobError: a step of a series is missing; names both.
    """
    if not panel.known:
        return None
    times = in_panels_unit(times_ahead(panel, panel.times[panel.offsets[1:][series] - 1], horizon))
    found = np.zeros((len(series), horizon, 0), np.float32)
    if future is not None:
        rows = _rows_at(panel, series, times.reshape(-1, horizon), future)
        found = future.rows[rows][:, :, : future.targets]
    if panel.calendar:
        calendar = features(times, zone_of(panel.time_type), panel.step())
        found = np.concatenate([found, calendar.reshape(len(series), horizon, -1)], axis=2)
    return found


def _rows_at(panel: Panel, series: Indices, times: Indices, future: Panel) -> Indices:
    """The rows of ``future`` at these times (series, horizon) of these series."""
    numbers = {name: number for number, name in enumerate(future.series)}
    found = np.zeros(times.shape, np.int64)
    for place, number in enumerate(series.tolist()):
        own = numbers.get(panel.series[number], -1)
        begin, end = (0, 0) if own < 0 else future.offsets[own : own + 2].tolist()
        known = future.times[begin:end]
        at = np.searchsorted(known, times[place])
        there = at < len(known)
        there[there] = known[at[there]] == times[place][there]
        if not there.all():
            raise _lacks(panel, number, times[place][~there], future)
        found[place] = begin + at
    return found


def _lacks(panel: Panel, number: int, times: Indices, future: Panel) -> JobError:
    first = shown(int(times[0]), panel.time_type)
    whose = "" if panel.series[number] is None else f" of series {panel.series[number]!r}"
    return JobError(
        f"--future: {', '.join(future.columns[: future.targets])} at {first}{whose} is missing "
        f"({len(times)} of the steps to forecast); give a row for each step after the end of the history"
    )
