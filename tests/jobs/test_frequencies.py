"""Two frequencies in one panel are refused; what only looks like them is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jobs.errors import JobError
from jobs.frequencies import check_spacing
from jobs.panel import Panel
from tests.jobs.shard_files import MANY, refusal, write
from tests.jobs.small import panel

WAY = "write data.frequency to bring all to one, or choose rows of one with data.where"


def times(freq: str, periods: int, start: str = "2024-01-01") -> pd.DatetimeIndex:
    return pd.date_range(start, periods=periods, freq=freq, unit="ns")


def of(*series: pd.DatetimeIndex, zone: str = "") -> Panel:
    """A panel of series with these times."""
    time_type = f"timestamp[ns, tz={zone}]" if zone else "timestamp[ns]"
    all_times = np.concatenate([each.asi8 for each in series])
    return replace(panel(*map(len, series)), times=all_times, time_type=time_type)


def refused(found: Panel) -> str:
    with pytest.raises(JobError) as error:
        check_spacing(found, "data/")
    return str(error.value)


def hours_then_days(hours: int, days: int) -> pd.DatetimeIndex:
    first = times("h", hours)
    return first.append(times("D", days, str((first[-1] + pd.Timedelta("1D")).normalize())))


# Refused


@pytest.mark.parametrize(
    ("one", "other"), [("h", "D"), ("15min", "h"), ("D", "MS"), ("D", "7D"), ("30min", "h")]
)
@pytest.mark.parametrize("swapped", [False, True])
def test_series_with_steps_of_their_own(one: str, other: str, swapped: bool) -> None:  # noqa: FBT001
    short, long = times(one, 300), times(other, 20)
    names = {"h": "1h", "D": "1D", "MS": "1MS"}
    found = of(long, short, short) if swapped else of(short, short, long)
    whose = "s0" if swapped else "s2"

    assert refused(found) == (
        f"data/: series {whose!r} has steps of {names.get(other, other)}, most others of "
        f"{names.get(one, one)} (from 2024-01-01 00:00:00 on); {WAY}"
    )


@pytest.mark.parametrize(
    ("hours", "days"), [(48, 10), (8760, 30), (200_000, 40), (20, 300), (70_000, 66_000)]
)
def test_a_series_that_changes_its_step(hours: int, days: int) -> None:
    series = hours_then_days(hours, days)

    sentence = refused(of(series))

    assert sentence.startswith("data/: the series has steps of 1h and 1D (from 20")
    assert sentence.endswith(f" on); {WAY}")


def test_daily_rows_between_hourly_ones() -> None:
    hourly = times("h", 24 * 20)
    daily = times("D", 20, "2024-01-01 12:15")

    assert refused(of(hourly, hourly.append(daily).sort_values())) == (
        f"data/: series 's1' has steps of 1h and 1D (from 2024-01-01 12:15:00 on); {WAY}"
    )


def test_whole_numbers() -> None:
    found = replace(panel(50, 50), times=np.r_[0:50, 0:500:10], time_type="int64")

    assert refused(found) == (
        f"data/: series 's0' has steps of 1, most others of 10 (from 0 on); {WAY}"
        if found.step() == 10
        else f"data/: series 's1' has steps of 10, most others of 1 (from 0 on); {WAY}"
    )


def test_two_frequencies_are_refused_before_gaps_are_filled(tmp_path: Path) -> None:
    series = (times("h", 100), times("D", 30))
    ids = ["a"] * 100 + ["b"] * 30
    write(tmp_path / "a.parquet", t=series[0].append(series[1]), id=ids, y=[1.0] * 130)

    assert refusal(tmp_path, replace(MANY, missing="forward")) == (
        f"{tmp_path}: series 'b' has steps of 1D, most others of 1h (from 2024-01-01 00:00:00 on); {WAY}"
    )


# Not refused


def trading(days: int, *, opening: str = "9h") -> pd.DatetimeIndex:
    """Seven hours of each business day."""
    mornings = times("B", days).repeat(7) + pd.Timedelta(opening)
    return mornings + pd.to_timedelta(np.tile(np.arange(7), days), "h")


def with_gaps(index: pd.DatetimeIndex, share: float, seed: int = 0) -> pd.DatetimeIndex:
    return index[np.random.default_rng(seed).random(len(index)) >= share]


@pytest.mark.parametrize(
    "series",
    [
        (times("B", 500),),
        (times("B", 500), times("B", 4), times("B", 3)),
        (times("MS", 100), times("ME", 50)),
        (times("QS", 60),),
        (times("YS", 30),),
        (times("SMS", 60),),
        (trading(200),),
        (trading(200), trading(30, opening="10h")),
        (times("h", 500), times("D", 3), times("D", 2), times("D", 1)),
        (times("h", 500).delete(range(100, 300)),),
        *((with_gaps(times("h", 5000), share, seed),) for share in (0.05, 0.3, 0.45) for seed in range(3)),
        tuple(with_gaps(times("D", 60), 0.2, seed) for seed in range(50)),
        (times("12h", 100).append(times("12h", 100) + pd.Timedelta("8h")).sort_values(),),  # at 0, 8, 12, 20
        (pd.DatetimeIndex(np.cumsum(np.random.default_rng(0).integers(1, 10**12, 5000))),),
        (pd.DatetimeIndex(np.cumsum(np.random.default_rng(0).geometric(0.6, 5_000_000) * 10**9)),),
        (pd.DatetimeIndex(np.cumsum(np.random.default_rng(0).geometric(0.3, 200_000) * 10**9)),),
    ],
)
def test_what_only_looks_like_two_frequencies(series: tuple[Any, ...]) -> None:
    check_spacing(of(*series), "data/")


@pytest.mark.parametrize("freq", ["D", "MS", "W", "h"])
def test_clocks_that_are_changed(freq: str) -> None:
    zoned = pd.date_range("2020-01-01", periods=1000, freq=freq, tz="Europe/Berlin", unit="ns")
    found = of(zoned.tz_convert("UTC").tz_localize(None), zone="Europe/Berlin")

    check_spacing(found, "data/")
    assert found.gaps() == 0


@pytest.mark.parametrize(("rows", "lost"), [(8, 0.1), (12, 0.1), (30, 0.3), (5, 0.2)])
def test_rows_that_are_missing_at_random_in_thousands_of_short_series(rows: int, lost: float) -> None:
    """In some, most distances are two steps: by chance, not because they are of another frequency."""
    rng = np.random.default_rng(0)
    days = times("D", rows)
    kept = [days[rng.random(rows) > lost] for _ in range(3000)]

    check_spacing(of(*(each for each in kept if len(each) > 1)), "data/")


@pytest.mark.parametrize("count", [2, 300])
def test_a_series_of_another_frequency_among_many_with_gaps(count: int) -> None:
    rng = np.random.default_rng(0)
    hours = times("h", 200)
    found = of(*(hours[rng.random(200) > 0.05] for _ in range(count)), times("2h", 60))

    assert f"series 's{count}' has steps of 2h, most others of 1h" in refused(found)
