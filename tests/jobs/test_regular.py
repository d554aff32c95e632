"""Grids that are seen in the times alone, and the gaps in them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from jobs.source import Columns
from tests.jobs.shard_files import MANY, ONE, read, write

FORWARD = replace(ONE, missing="forward")


def without(times: Any, *gone: int) -> Any:
    return times.delete(list(gone))


def filled(folder: Path, times: Any, columns: Columns = FORWARD) -> Any:
    """The times of the panel, as they were written."""
    write(folder / "a.parquet", t=times, y=np.arange(len(times), dtype=float))
    panel = read(folder, columns)
    found = pd.DatetimeIndex(panel.times.astype("M8[ns]"))
    zone = getattr(times, "tz", None)
    return panel, found.tz_localize("UTC").tz_convert(zone) if zone else found


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
@pytest.mark.parametrize(
    ("start", "freq"),
    [
        ("2024-03-30 00:30", "h"),
        ("2024-03-30 00:07", "15min"),
        ("2024-03-25 09:00", "D"),
        ("2024-03-30", "2D"),
        ("2024-03-25", "B"),
        ("2024-03-31", "W"),
        ("2024-03-06", "W-WED"),
        ("2023-11-01", "MS"),
        ("2023-11-30", "ME"),
        ("2023-02-01", "QS-FEB"),
        ("2023-11-30", "QE-NOV"),
        ("2000-01-01", "YS"),
        ("2024-01-01", "28D"),
    ],
)
def test_gaps_in_a_grid_are_filled(tmp_path: Path, start: str, freq: str, zone: str | None) -> None:
    times = pd.date_range(start, periods=30, freq=freq, tz=zone, unit="ns")

    panel, found = filled(tmp_path, without(times, 3, 9, 10, 20))

    assert found.tolist() == times.tolist()
    assert panel.filled == (("y", 4),)
    if freq != "B":  # of business days the weekends count as gaps, as they came
        assert panel.gaps() == 3


def test_months_may_begin_on_any_day(tmp_path: Path) -> None:
    times = pd.date_range("2023-01-01", periods=20, freq="MS", unit="ns") + pd.Timedelta("14D")

    assert filled(tmp_path, without(times, 4, 5))[1].tolist() == times.tolist()


def test_series_may_begin_beside_each_other(tmp_path: Path) -> None:
    times = [0, 10, 30, 40, 50, 7, 17, 27, 47]
    write(tmp_path / "a.parquet", t=times, id=["a"] * 5 + ["b"] * 4, y=[1.0] * 9)

    panel = read(tmp_path, replace(MANY, missing="forward"))

    assert panel.times.tolist() == [0, 10, 20, 30, 40, 50, 7, 17, 27, 37, 47]
    assert (panel.offsets.tolist(), panel.gaps(), panel.step()) == ([0, 6, 11], 2, 10)


@pytest.mark.parametrize("times", [[0, 10, 20, 25, 30, 50], [0, 10, 20, 35, 45], [0, 1, 7, 9, 20, 40, 41]])
def test_times_beside_a_grid_are_left_as_they_are(tmp_path: Path, times: list[int]) -> None:
    write(tmp_path / "a.parquet", t=times, y=[float("nan"), *range(len(times) - 1)])

    panel = read(tmp_path, FORWARD)

    assert panel.times.tolist() == times
    assert panel.filled == (("y", 1),)


def test_without_missing_nothing_is_filled(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", t=[0, 1, 2, 5], y=[1.0] * 4)

    panel = read(tmp_path)

    assert (panel.times.tolist(), panel.gaps(), panel.filled) == ([0, 1, 2, 5], 1, ())


def test_values_that_are_missing_and_steps_that_are_missing_are_counted_together(tmp_path: Path) -> None:
    y = pa.array([1.0, None, 3.0, 6.0, 7.0])
    write(tmp_path / "a.parquet", t=[1, 2, 3, 6, 7], y=y)

    panel = read(tmp_path, replace(ONE, missing="interpolate"))

    assert panel.rows[:, 0].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert panel.filled == (("y", 3),)
