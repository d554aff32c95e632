"""What is known of the steps to forecast; ``test_forecast`` holds their times."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from jobs.ahead import as_written, known_ahead, times_ahead
from jobs.errors import JobError
from jobs.grid import grid_of
from jobs.panel import Panel
from tests.jobs.small import panel

HOUR = 3_600_000_000_000
HISTORY = replace(panel(5, 3, 9, columns=3), known=2)


def future(*series: str, hours: range = range(20)) -> Panel:
    """Two covariates for these hours of each series: the hour, and a hundred times the series' number."""
    rows = [[hour, 100 * int(name[1:])] for name in series for hour in hours]
    ends = np.arange(len(series) + 1) * len(hours)
    times = np.tile(np.array(hours), len(series)) * HOUR
    return Panel(("price", "rain"), 2, np.array(rows, np.float32), times, ends, series, "timestamp[ns]")


def test_each_series_gets_the_steps_after_its_own_end() -> None:
    found = known_ahead(HISTORY, np.array([0, 2]), 3, future("s2", "s1", "s0"))

    assert found is not None
    assert found.tolist() == [[[5, 0], [6, 0], [7, 0]], [[9, 200], [10, 200], [11, 200]]]


def test_nothing_is_known_where_nothing_is_asked_for() -> None:
    assert known_ahead(panel(5), np.array([0]), 3, None) is None


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            future("s0", "s2", hours=range(11)),
            "price, rain at 1970-01-01 11:00:00 of series 's2' is missing (1 of",
        ),
        (future("s0"), "price, rain at 1970-01-01 09:00:00 of series 's2' is missing (3 of"),
        (future("s0", "s2", hours=range(8, 30)), "at 1970-01-01 05:00:00 of series 's0' is missing (3 of"),
    ],
)
def test_a_step_that_is_missing_is_named(given: Panel, sentence: str) -> None:
    with pytest.raises(JobError) as error:
        known_ahead(HISTORY, np.array([0, 2]), 3, given)

    assert sentence in str(error.value)
    assert str(error.value).endswith("give a row for each step after the end of the history")


def test_times_are_told_on_the_series_clock() -> None:
    berlin = replace(HISTORY, time_type="timestamp[ns, tz=Europe/Berlin]")

    with pytest.raises(JobError, match="at 1970-01-01 10:00:00\\+01:00 of series 's2'"):
        known_ahead(berlin, np.array([2]), 3, future("s0"))


def test_whole_numbers_are_times_too() -> None:
    counted = replace(HISTORY, time_type="int64", times=HISTORY.times // HOUR)
    given = replace(future("s0", "s2"), time_type="int64", times=future("s0", "s2").times // HOUR)

    found = known_ahead(counted, np.array([2]), 2, given)

    assert found is not None
    assert found[0, :, 0].tolist() == [9, 10]
    with pytest.raises(JobError, match="at 9 of series 's2'"):
        known_ahead(counted, np.array([2]), 2, replace(given, times=given.times + 50))


def panel_of(times: pd.DatetimeIndex, grid: str | None = None) -> Panel:
    zone = f", tz={times.tz}" if times.tz else ""
    rows, ends = np.zeros((len(times), 1), np.float32), np.array([0, len(times)])
    stamps = times.as_unit("ns").asi8
    return Panel(("y",), 1, rows, stamps, ends, (None,), f"timestamp[ns{zone}]", grid=grid)


FREQUENCIES = [
    "15min",
    "1h",
    "6h",
    "1D",
    "B",
    "2B",
    "W",
    "W-WED",
    "2W",
    "MS",
    "ME",
    "2MS",
    "QE",
    "YS",
    "BMS",
    "BME",
]


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin", "America/Havana"])
@pytest.mark.parametrize("frequency", [*FREQUENCIES, "SMS", "YE-JUN", "3D"])
def test_times_go_on_along_the_grid_that_the_data_were_brought_to(frequency: str, zone: str | None) -> None:
    grid = grid_of(frequency, zone)
    steps, _ = grid.split(pd.DatetimeIndex(["2024-10-25"], tz=zone or "UTC").as_unit("ns").asi8)
    every = grid.join(steps + np.arange(40))
    found = panel_of(pd.DatetimeIndex(every[:20], tz="UTC").tz_convert(zone), frequency)

    assert times_ahead(found, found.times[[5, 19]], 12).tolist() == [
        every[6:18].tolist(),
        every[20:32].tolist(),
    ]


@pytest.mark.parametrize("zone", [None, "Europe/Berlin", "America/Havana"])
@pytest.mark.parametrize("frequency", [*FREQUENCIES[:5], "7D", "MS", "ME", "2MS", "QE"])
def test_times_go_on_along_the_grid_that_they_lie_on(frequency: str, zone: str | None) -> None:
    """As pandas has it; 2024-11-03 is when clocks change in Havana, 2024-10-27 when they do in Berlin."""
    every = pd.date_range(
        "2024-10-07", periods=60, freq=frequency, tz=zone if frequency[-1] in "nh" else None
    )
    if zone and every.tz is None:  # midnight is there twice in Havana
        every = every.tz_localize(zone, ambiguous=np.ones(60, bool), nonexistent="shift_forward")

    ahead = times_ahead(panel_of(every[:20]), every[:20].as_unit("ns").asi8[-1:], 40)

    pd.testing.assert_index_equal(
        as_written(ahead[0], panel_of(every).time_type), every[20:].as_unit("ns"), check_names=False
    )


def test_a_future_of_business_days_is_met() -> None:
    days = pd.date_range("2024-03-01", periods=30, freq="B")
    history = replace(
        panel_of(days[:20]), known=1, columns=("y", "price"), rows=np.zeros((20, 2), np.float32)
    )
    given = replace(panel_of(days), rows=np.arange(30, dtype=np.float32)[:, None])

    found = known_ahead(history, np.array([0]), 5, given)

    assert found is not None
    assert found[0, :, 0].tolist() == [20, 21, 22, 23, 24]
