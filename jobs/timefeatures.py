"""Features of the calendar: where in the day, the week and the year a time lies, known however far ahead."""

from __future__ import annotations

from typing import Any

import numpy as np

from jobs.clock import DAY, Times, wall
from jobs.panel import Rows

_YEAR = 365 * DAY


def names(step: int) -> tuple[str, ...]:
    """The features' names for times that are ``step`` nanoseconds apart; none for years.

    What does not change from step to step says nothing: the time of day is for steps below a day, the day of
    the week for steps up to a day, and the position in the year for steps below a year.
    """
    return tuple(f"calendar.{cycle}_{wave}" for cycle in _cycles(step) for wave in ("sin", "cos"))


def features(times: Any, zone: str | None, step: int) -> Rows:
    """(times, features): the sine and the cosine of each cycle's position, as clocks in the zone show it.

    Args:
        times: (times,), nanoseconds since 1970 in UTC, or of a clock that names no zone.
        zone: the series', such as ``Europe/Berlin``; None for times without one, which are taken as they are.
        step: nanoseconds between two times, as for ``names``.

    Raises:
        JobError: a time lies outside the years 1678 to 2261.
    """
    shown = wall(times, zone)
    cycles = _cycles(step)
    found = np.empty((len(shown), 2 * len(cycles)), np.float32)
    for index, cycle in enumerate(cycles):
        angle = (2 * np.pi * _POSITIONS[cycle](shown)).astype(np.float32)
        found[:, 2 * index], found[:, 2 * index + 1] = np.sin(angle), np.cos(angle)
    return found


def _cycles(step: int) -> tuple[str, ...]:
    applies = {"hour": step < DAY, "weekday": step <= DAY, "month": step < _YEAR}
    return tuple(cycle for cycle, does in applies.items() if does)


def _in_day(shown: Times) -> Any:
    return (shown % DAY) / DAY


def _in_week(shown: Times) -> Any:
    """By whole days from Monday on, so that a day's hours are alike in it; 1970 began on a Thursday."""
    return ((shown // DAY + 3) % 7) / 7


def _in_year(shown: Times) -> Any:
    """By the time since the year began, leap years at their own length: it moves smoothly through months."""
    years = (shown // DAY).astype("M8[D]").astype("M8[Y]")
    begin, end = (each.astype("M8[D]").astype(np.int64) for each in (years, years + 1))
    return (shown - begin * DAY) / ((end - begin) * DAY)


_POSITIONS = {"hour": _in_day, "weekday": _in_week, "month": _in_year}
