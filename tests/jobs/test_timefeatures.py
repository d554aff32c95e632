"""Features of the calendar, as clocks show it."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from jobs.timefeatures import features, names
from tests.jobs.obvious import calendar

HOUR = 3_600_000_000_000
DAY = 24 * HOUR


@pytest.mark.parametrize(
    ("step", "cycles"),
    [
        (60 * 10**9, ["hour", "weekday", "month"]),
        (HOUR, ["hour", "weekday", "month"]),
        (DAY, ["weekday", "month"]),
        (7 * DAY, ["month"]),
        (31 * DAY, ["month"]),
        (92 * DAY, ["month"]),
        (365 * DAY, []),
    ],
)
def test_cycles_are_longer_than_a_step(step: int, cycles: list[str]) -> None:
    assert names(step) == tuple(f"calendar.{cycle}_{wave}" for cycle in cycles for wave in ("sin", "cos"))


def test_a_quarter_of_each_cycle() -> None:
    # A Monday, at six; in a year of 364 days it would be a whole number of weeks since it began.
    found = features([pd.Timestamp("2024-01-01 06:00").value], None, HOUR)

    np.testing.assert_allclose(found[0, :4], [1, 0, 0, 1], atol=1e-6)
    assert found.dtype == np.float32


def test_the_year_goes_round_smoothly() -> None:
    times = pd.date_range("2023-01-01", "2025-12-31", freq="D").as_unit("ns").asi8

    found = features(times, None, DAY)[:, 2:]

    assert np.abs(np.diff(found, axis=0)).max() < 0.018  # one day of 365: 0.0172
    np.testing.assert_allclose(found[[0, 365, 731]], [[0, 1]] * 3, atol=1e-6)


def test_the_wall_clock_decides_not_utc() -> None:
    """Seven in the evening on both sides of the night on which clocks are changed."""
    berlin = pd.date_range("2024-03-29 19:00", periods=4, freq="D", tz="Europe/Berlin")
    stamps = berlin.tz_convert("UTC").tz_localize(None).as_unit("ns").asi8

    found = features(stamps, "Europe/Berlin", HOUR)[:, :2]

    angle = 2 * np.pi * 19 / 24
    np.testing.assert_allclose(found, [[np.sin(angle), np.cos(angle)]] * 4, atol=1e-6)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(
    times=st.lists(st.integers(-9 * 10**18, 9 * 10**18), min_size=1, max_size=20),
    zone=st.sampled_from([None, "UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu", "-03:30"]),
    step=st.sampled_from([10**9, HOUR, DAY, 7 * DAY, 31 * DAY]),
)
def test_any_time_is_as_pandas_has_it(times: list[int], zone: str | None, step: int) -> None:
    wanted = calendar(pd.DatetimeIndex(np.array(times, "M8[ns]")), step, zone)

    found = features(times, zone, step)

    assert names(step) == tuple(wanted)
    np.testing.assert_allclose(found, wanted.to_numpy(), atol=2e-6)
