"""Clocks on the wall, also when they are changed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from jobs.clock import instants, known_zone, wall, zone_of
from jobs.errors import JobError

HOUR = 3_600_000_000_000
BERLIN = "Europe/Berlin"


def times(*texts: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(texts, "M8[ns]").astype(np.int64)


@pytest.mark.parametrize(
    ("time_type", "zone"),
    [
        ("int64", None),
        ("timestamp[ns]", None),
        ("timestamp[ns, tz=Europe/Berlin]", BERLIN),
        ("timestamp[ns, tz=+05:30]", "+05:30"),
    ],
)
def test_the_zone_is_in_the_type(time_type: str, zone: str | None) -> None:
    assert zone_of(time_type) == zone


@pytest.mark.parametrize(
    ("zone", "known"),
    [("UTC", True), ("+05:30", True), (BERLIN, True), ("Europe/Berlim", False), ("..", False)],
)
def test_zones_that_there_are(zone: str, known: bool) -> None:  # noqa: FBT001
    assert known_zone(zone) == known


def test_the_wall_shows_summer_time() -> None:
    shown = wall(
        times("2024-03-31T00:59", "2024-03-31T01:00", "2024-10-27T00:30", "2024-10-27T01:30"), BERLIN
    )

    assert shown.tolist() == (
        times("2024-03-31T01:59", "2024-03-31T03:00", "2024-10-27T02:30", "2024-10-27T02:30").tolist()
    )


def test_an_hour_that_comes_twice_is_its_first_and_one_that_is_skipped_the_next() -> None:
    found = instants(times("2024-10-27T02:30", "2024-03-31T02:30", "2024-07-01T12:00"), BERLIN)

    assert found.tolist() == times("2024-10-27T00:30", "2024-03-31T01:00", "2024-07-01T10:00").tolist()


@pytest.mark.parametrize("zone", [None, "UTC", "+05:30", "America/Sao_Paulo", "Asia/Kathmandu"])
def test_days_are_there_and_back(zone: str | None) -> None:
    days = pd.date_range("1990-01-01 12:00", "2030-01-01 12:00", freq="D").as_unit("ns").asi8

    np.testing.assert_array_equal(wall(instants(days, zone), zone), days)


def test_times_without_a_zone_stay_as_they_are_and_none_are_none() -> None:
    assert wall([5, 6], None).tolist() == [5, 6]
    assert wall([], BERLIN).tolist() == []
    assert instants([], BERLIN).tolist() == []


@pytest.mark.parametrize("time", [-(2**63), times("1677-12-31")[0], times("2262-01-01")[0]])
def test_times_that_no_clock_shows(time: int) -> None:
    with pytest.raises(JobError, match="the data has times outside the years 1678 to 2261"):
        wall([time], BERLIN)
