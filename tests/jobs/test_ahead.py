"""What is known of the steps to forecast; ``test_forecast`` holds their times."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from jobs.ahead import in_panels_unit, known_ahead, times_ahead
from jobs.errors import JobError
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


@pytest.mark.parametrize("zone", ["", ", tz=Europe/Berlin"])
def test_times_ahead_are_told_in_the_panels_unit(zone: str) -> None:
    found = replace(HISTORY, time_type=f"timestamp[ns{zone}]")

    times = in_panels_unit(times_ahead(found, found.times[[4]], 3))

    assert times.tolist() == [5 * HOUR, 6 * HOUR, 7 * HOUR]
