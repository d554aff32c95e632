"""Grids of even steps and of the calendar's."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from jobs.errors import JobError
from jobs.grid import grid_of

ZONES = (None, "UTC", "Europe/Berlin", "Asia/Kolkata", "America/Sao_Paulo")
CALENDAR = ("1D", "3D", "B", "2B", "W", "W-MON", "2W", "MS", "ME", "3MS", "QS", "YS", "SMS", "WOM-2MON")


def wall(time: str, zone: str | None) -> Any:
    return pd.Timestamp(time, tz=zone)


def floor(time: str, frequency: str, zone: str | None = None) -> str:
    """When the step begins that a time falls into."""
    grid = grid_of(frequency, zone)
    stamp = pd.Timestamp(time, tz=zone).tz_convert("UTC").tz_localize(None) if zone else pd.Timestamp(time)
    steps, after = grid.split(np.array([stamp.as_unit("ns").value]))
    found = pd.Timestamp(int(grid.join(steps)[0]))
    assert grid.join(steps, after).tolist() == [stamp.as_unit("ns").value]
    return str(found.tz_localize("UTC").tz_convert(zone).tz_localize(None) if zone else found)


@pytest.mark.parametrize(
    ("time", "frequency", "zone", "begin"),
    [
        ("2024-05-05 13:59:59", "1h", None, "2024-05-05 13:00:00"),
        ("2024-05-05 13:59:59", "15min", None, "2024-05-05 13:45:00"),
        ("2024-05-05 13:59:59", "6h", None, "2024-05-05 12:00:00"),
        ("2024-01-05 13:59:59", "6h", "Europe/Berlin", "2024-01-05 12:00:00"),
        ("2024-01-05 13:59:59", "6h", "Europe/London", "2024-01-05 12:00:00"),
        ("2024-07-05 13:59:59", "6h", "Europe/Berlin", "2024-07-05 13:00:00"),  # an hour late in summer
        ("2024-05-05 13:59:59", "1h", "Asia/Kolkata", "2024-05-05 13:00:00"),
        ("2024-07-05 13:59:59", "1D", "Europe/Berlin", "2024-07-05 00:00:00"),
        ("2024-03-31 23:00:00", "1D", "Europe/Berlin", "2024-03-31 00:00:00"),
        ("2024-10-27 23:59:00", "1D", "Europe/Berlin", "2024-10-27 00:00:00"),
        ("2018-11-04 13:00:00", "1D", "America/Sao_Paulo", "2018-11-04 01:00:00"),  # it had no midnight
        ("2024-05-05 13:00:00", "B", None, "2024-05-03 00:00:00"),
        ("2024-05-09 13:00:00", "W", None, "2024-05-05 00:00:00"),
        ("2024-05-09 13:00:00", "W-MON", None, "2024-05-06 00:00:00"),
        ("2024-05-09 13:00:00", "MS", "Europe/Berlin", "2024-05-01 00:00:00"),
        ("2024-05-09 13:00:00", "ME", None, "2024-04-30 00:00:00"),
        ("2024-05-31 13:00:00", "ME", None, "2024-05-31 00:00:00"),
        ("2024-06-09 13:00:00", "QS", None, "2024-04-01 00:00:00"),
        ("2024-06-09 13:00:00", "2MS", None, "2024-05-01 00:00:00"),
        ("1969-12-31 23:59:59", "2MS", None, "1969-11-01 00:00:00"),
        ("2024-06-09 13:00:00", "YS", None, "2024-01-01 00:00:00"),
    ],
)
def test_a_time_falls_into_the_step_that_began_last(
    time: str, frequency: str, zone: str | None, begin: str
) -> None:
    assert floor(time, frequency, zone) == begin


@pytest.mark.parametrize("frequency", ["1s", "7min", "1h", "24h", *CALENDAR])
@pytest.mark.parametrize("zone", ZONES)
def test_steps_are_those_that_pandas_counts(frequency: str, zone: str | None) -> None:
    grid = grid_of(frequency, zone)
    begin = grid.join(grid.split(pd.DatetimeIndex(["2018-06-03"]).as_unit("ns").asi8)[0])
    steps = grid.split(begin)[0] + np.arange(100)

    found = pd.DatetimeIndex(grid.join(steps).view("M8[ns]"))

    assert grid.split(found.asi8)[0].tolist() == steps.tolist()
    if zone and frequency in CALENDAR:
        found = found.tz_localize("UTC").tz_convert(zone).tz_localize(None).normalize()
    assert found.tolist() == pd.date_range(found[0], periods=100, freq=frequency).tolist()


@settings(deadline=None, max_examples=300, derandomize=True)
@given(
    times=st.lists(st.integers(-8 * 10**18, 8 * 10**18), min_size=2, max_size=9).map(sorted),
    frequency=st.sampled_from(["1s", "90min", "24h", *CALENDAR]),
    zone=st.sampled_from(ZONES),
)
def test_steps_rise_with_times(times: list[int], frequency: str, zone: str | None) -> None:
    grid = grid_of(frequency, zone)

    steps, after = grid.split(np.array(times))

    assert (np.diff(steps) >= 0).all()
    assert (after >= 0).all()
    assert (grid.join(steps) <= times).all()


def test_whole_numbers() -> None:
    grid = grid_of(5, None)

    steps, after = grid.split(np.array([-1, 0, 4, 5, 13]))

    assert (steps.tolist(), after.tolist(), grid.step) == ([-1, 0, 0, 1, 2], [4, 0, 4, 0, 3], 5)
    assert grid.join(steps).tolist() == [-5, 0, 0, 5, 10]


@pytest.mark.parametrize(
    ("frequency", "days"), [("1D", 1), ("B", 1), ("W", 7), ("MS", 31), ("QS", 92), ("YS", 365), ("24h", 1)]
)
def test_the_most_common_length_of_a_step(frequency: str, days: int) -> None:
    assert grid_of(frequency, "Europe/Berlin").step == days * 86_400_000_000_000


def test_hours_of_business_days_are_no_grid() -> None:
    with pytest.raises(JobError, match=r"data.frequency is bh, hours of business days; write 1h"):
        grid_of("bh", None)
