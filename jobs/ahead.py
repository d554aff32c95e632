"""The steps after the end of series: their times, and what is known of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from jobs.clock import DAY, instants, wall, zone_of
from jobs.errors import JobError
from jobs.grid import Even, grid_of
from jobs.gridding import Plan
from jobs.naming import shown
from jobs.panel import Indices, Panel, Rows
from jobs.regular import inferred
from jobs.spacing import MONTH
from jobs.timefeatures import features


def times_ahead(panel: Panel, last: Indices, horizon: int) -> Indices:
    """The times of the ``horizon`` steps after each of some times of a panel, (times, horizon).

    They go on along the panel's grid: that of its ``data.frequency``, or the one on which all its rows lie,
    such as business days or the last days of months; without either, by its most common distance.
    """
    zone = zone_of(panel.time_type)
    if panel.grid is not None:
        plan = Plan(grid_of(panel.grid, zone), moved=True)
    else:
        step, lying = panel.step(), inferred(panel)
        day = None if lying or panel.time_type == "int64" else _day_of_months(panel, step)
        if day is not None:
            months = max(1, round(step / DAY / 30.44)) * np.arange(1, horizon + 1)
            return instants(_months_ahead(wall(last, zone), months, day), zone).reshape(len(last), horizon)
        plan = lying or Plan(Even(step, zone if step % DAY == 0 else None), moved=False)
    steps, after = plan.grid.split(last)
    ahead = steps[:, None] + plan.every * np.arange(1, horizon + 1)
    return plan.grid.join(ahead.ravel(), np.repeat(after, horizon)).reshape(len(last), horizon)


def _day_of_months(panel: Panel, step: int) -> int | None:
    """The day of the month on which all times are, or on the last one of months that are shorter."""
    if step < MONTH:
        return None
    shown = pd.DatetimeIndex(wall(panel.times, zone_of(panel.time_type)))
    day = int(shown.day.max())
    return day if np.array_equal(shown.day, np.minimum(day, shown.days_in_month)) else None


def _months_ahead(shown: Indices, months: Any, day: int) -> Indices:
    """So many months after what clocks show: the same time of day on ``day``, or on a month's last."""
    last = pd.DatetimeIndex(shown)
    firsts = last.to_numpy().astype("datetime64[M]")[:, None] + months
    firsts = pd.DatetimeIndex(firsts.ravel().astype("datetime64[ns]"))
    days = pd.to_timedelta(np.minimum(day, firsts.days_in_month) - 1, unit="D")
    clock = (last - last.normalize()).repeat(len(months))
    return np.asarray((firsts + days + clock).as_unit("ns").asi8, np.int64)


def as_written(times: Indices, time_type: str) -> Any:
    """A panel's times as people read them: in their zone, if they have one."""
    if time_type == "int64":
        return times
    zone = zone_of(time_type)
    stamps = pd.DatetimeIndex(times, tz="UTC")
    return stamps.tz_convert(zone) if zone else stamps.tz_localize(None)


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
    times = times_ahead(panel, panel.times[panel.offsets[1:][series] - 1], horizon)
    found = np.zeros((len(series), horizon, 0), np.float32)
    if future is not None:
        rows = _rows_at(panel, series, times, future)
        found = future.rows[rows][:, :, : future.targets]
    if panel.calendar:
        calendar = features(times.ravel(), zone_of(panel.time_type), panel.step())
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
