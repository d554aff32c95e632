"""A panel's calendar, its fingerprint and its files."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jobs import npyfile
from jobs.panel import Panel
from jobs.spacing import Spacing
from tests.jobs.small import panel

HOUR = 3_600_000_000_000


def timed(times: Any, *series: int, time_type: str = "timestamp[ns]") -> Panel:
    """A panel with these times; series of these lengths, or one."""
    lengths = series or (len(times),)
    return replace(panel(*lengths), times=np.asarray(times, np.int64), time_type=time_type)


def dates(start: str, count: int, freq: str) -> Any:
    return pd.date_range(start, periods=count, freq=freq, unit="ns").asi8


@pytest.mark.parametrize(
    ("freq", "frequency", "season"),
    [
        ("1s", "1s", 86_400),
        ("15min", "15min", 96),
        ("90min", "90min", 16),
        ("1h", "1h", 24),
        ("6h", "6h", 4),
        ("1D", "1D", 7),
        ("7D", "7D", 52),
        ("MS", "1MS", 12),
        ("ME", "1MS", 12),
        ("QS", "3MS", 4),
        ("YS", "12MS", 1),
        ("2MS", "2MS", 6),
        ("2QS", "6MS", 2),
    ],
)
def test_a_step_and_a_season_are_the_calendars(freq: str, frequency: str, season: int) -> None:
    found = timed(dates("2021-01-01", 30, freq))

    assert (found.frequency(), found.season(), found.gaps()) == (frequency, season, 0)


@pytest.mark.parametrize("zone", ["", ", tz=Asia/Tokyo"])
def test_a_week_of_business_days_has_five(zone: str) -> None:
    days = dates("2021-01-01", 30, "B")
    tokyo = days - 9 * 3_600_000_000_000 if zone else days  # midnight there is the evening before in UTC

    assert timed(tokyo, time_type=f"timestamp[ns{zone}]").season() == 5
    assert timed(dates("2021-01-01", 30, "D")).season() == 7


def test_whole_numbers_have_a_step_and_no_season() -> None:
    found = timed([0, 5, 10, 15, 30], time_type="int64")

    assert (found.step(), found.frequency(), found.season(), found.gaps()) == (5, "5", 1, 1)


def test_the_step_is_the_most_common_distance_within_a_series() -> None:
    times = [0, 1, 2, 100, 102, 0, 1]

    found = timed(np.array(times) * HOUR, 3, 2, 2)

    assert found.step() == HOUR
    assert found.gaps() == 1  # 100 to 102; what lies between two series is none
    assert found.lengths().tolist() == [3, 2, 2]


def test_a_single_row_has_a_step_too() -> None:
    found = timed([7 * HOUR])

    assert (found.step(), found.gaps(), found.frequency()) == (1, 0, "1ns")


@pytest.mark.parametrize("block", [1, 2, 3, 7, 100])
def test_distances_are_counted_in_blocks(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(npyfile, "BLOCK", block)

    found = timed(np.array([0, 1, 2, 100, 102, 0, 1, 9, 3, 4, 5, 6]) * HOUR, 3, 2, 2, 1, 4)

    assert (found.step(), found.gaps()) == (HOUR, 1)


def test_of_two_distances_as_common_the_smaller_is_the_step() -> None:
    assert timed([0, 5, 6, 11, 12], time_type="int64").step() == 1


def every_field() -> Panel:
    """A panel in which no field that is saved has its default."""
    static = np.array([[1, 2], [3, 4]], np.float32)
    return replace(
        panel(5, 4, columns=9, targets=2),
        known=3,
        calendar=2,
        masks=3,
        static=static,
        statics=("size", "kind=a"),
        filled=(("c0", 3),),
        spacing=Spacing(3_600_000_000_000, 2, 7),
    )


@pytest.mark.parametrize("first", [panel(5, 4, columns=3, targets=2), every_field()])
def test_a_saved_panel_is_mapped_back_the_same(tmp_path: Path, first: Panel) -> None:
    first.save(tmp_path / "deep" / "panel")

    found = Panel.load(tmp_path / "deep" / "panel")

    assert (found.folder, found.spacing) == (tmp_path / "deep" / "panel", first._spacing)
    for field in fields(Panel):
        if field.name not in {"spacing", "pages", "folder"}:
            assert np.array_equal(getattr(found, field.name), getattr(first, field.name)), field.name
    assert isinstance(found.rows, np.memmap)
    assert found.fingerprint() == first.fingerprint()


@pytest.mark.parametrize(
    "change",
    [
        {"known": 2},
        {"calendar": 1},
        {"masks": 0},
        {"statics": ("size", "kind=b")},
        {"static": np.array([[1, 2], [3, 5]], np.float32)},
    ],
)
def test_another_panel_has_another_fingerprint(change: dict[str, Any]) -> None:
    first = every_field()

    assert replace(first, **change).fingerprint() != first.fingerprint()


def test_a_mapped_panel_cannot_be_written_to(tmp_path: Path) -> None:
    panel(5).save(tmp_path)

    with pytest.raises(ValueError, match="read-only"):
        Panel.load(tmp_path).rows[0] = -1
