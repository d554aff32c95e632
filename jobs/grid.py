"""Grids that times are brought to: steps of one length, or those of the calendar."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import pandas as pd

from jobs.clock import DAY, Times, instants, wall
from jobs.errors import JobError

_SECOND = 1_000_000_000


class Grid(Protocol):
    """Steps that follow each other without end, each with a number."""

    @property
    def step(self) -> int:
        """How long a step is, most of the time."""
        ...

    def split(self, times: Times) -> tuple[Times, Times]:
        """The numbers of the steps that times fall into, and how long after these began they are."""
        ...

    def join(self, steps: Times, after: Any = 0) -> Times:
        """The times that are so long after the beginnings of these steps."""
        ...


@dataclass(frozen=True)
class Even:
    """Steps of one length, in the times' own unit.

    Attributes:
        step: how long one is.
        zone: whose clocks are counted by, for steps of days; those of UTC (or plain numbers) without one.
        origin: when a step begins.
    """

    step: int
    zone: str | None = None
    origin: int = 0

    def split(self, times: Times) -> tuple[Times, Times]:
        """As a grid does."""
        shown = times if self.zone is None else wall(times, self.zone)
        return np.divmod(shown - self.origin, self.step)

    def join(self, steps: Times, after: Any = 0) -> Times:
        """As a grid does."""
        shown = steps * self.step + self.origin + after
        return shown if self.zone is None else instants(shown, self.zone)


@dataclass(frozen=True)
class Calendar:
    """Steps that begin on days of the calendar, such as the first of each month or every business day.

    Attributes:
        frequency: as pandas writes it.
        zone: whose clocks are counted by.
    """

    frequency: str
    zone: str | None = None

    @property
    def step(self) -> int:
        """As a grid has; the most common of a few decades."""
        points, _ = _points(self.frequency)
        some = points[np.searchsorted(points, -30 * 365 * DAY // _SECOND) :]
        lengths, counts = np.unique(np.diff(some), return_counts=True)
        return int(lengths[counts.argmax()]) * _SECOND

    def split(self, times: Times) -> tuple[Times, Times]:
        """As a grid does."""
        points, first = _points(self.frequency)
        shown = wall(times, self.zone)
        found = np.searchsorted(points, shown // _SECOND, side="right") - 1
        return found - first, shown - points[found] * _SECOND

    def join(self, steps: Times, after: Any = 0) -> Times:
        """As a grid does."""
        points, first = _points(self.frequency)
        found = np.clip(steps + first, 0, len(points) - 1)
        return instants(points[found] * _SECOND + after, self.zone)


@lru_cache(maxsize=8)
def _points(frequency: str) -> tuple[Times, int]:
    """When the steps begin, in seconds since 1970, over all times there are; and which is the first in 1970.

    Of every second or third such day those are taken that are counted from 1970 on, whatever the data.
    """
    offset = pd.tseries.frequencies.to_offset(frequency)
    start, end = pd.Timestamp("1600-01-01").as_unit("s"), pd.Timestamp("2263-01-01").as_unit("s")
    days = pd.date_range(start, end, freq=offset.base, unit="s").normalize().as_unit("s").asi8
    first = int(np.searchsorted(days, 0))
    return days[first % offset.n :: offset.n], first // offset.n


def grid_of(frequency: str | int, zone: str | None) -> Grid:
    """The grid of a job's ``data.frequency``.

    Steps below a day are counted from midnight in the zone (without its summer time), steps of days from
    1970-01-01; those of the calendar begin at the midnights on which pandas has them begin: weeks on
    Sundays (``W``, or ``W-MON``), months on their first or last day (``MS``, ``ME``).

    Raises:
        JobError: the frequency is none that a grid can have.
    """
    if isinstance(frequency, int):
        return Even(frequency)
    offset = pd.tseries.frequencies.to_offset(frequency)
    if isinstance(offset, pd.offsets.Day):
        return Even(offset.n * DAY, zone)
    if isinstance(offset, pd.tseries.offsets.Tick):
        return Even(pd.Timedelta(offset).value, None, _midnight(zone))
    if isinstance(offset, pd.offsets.BusinessHour):
        raise JobError(f"data.frequency is {frequency}, hours of business days; write 1h and data.missing")
    return Calendar(frequency, zone)


def _midnight(zone: str | None) -> int:
    """When a day begins in winter, by the clocks of 2000: those of the summer are further ahead of UTC."""
    dates = np.array(["2000-01-01", "2000-07-01"], "M8[ns]").astype(np.int64)
    return int(max(instants(dates, zone) - dates)) % DAY
