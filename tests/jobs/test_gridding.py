"""Series that are brought to a frequency."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jobs import assembly, completion, gridding, npyfile, scan
from jobs.assembly import Assembly
from jobs.panel import Panel
from jobs.shards import build_panel
from jobs.source import Columns, Source
from tests.jobs.shard_files import HOURS, LOCAL, MANY, ONE, good, read, refusal, write

MINUTES = pd.date_range("2024-01-01 00:10", periods=9, freq="20min", unit="ns")


def test_rows_of_a_step_are_averaged(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", t=MINUTES, y=[1.0, 2.0, 3.0, 5.0, float("nan"), 7.0, *[float("nan")] * 3])

    panel = read(tmp_path, replace(ONE, missing="mask", frequency="1h"))

    assert panel.times.tolist() == HOURS.asi8.tolist()
    assert panel.rows.tolist() == [[2, 0], [6, 0], [6, 1]]
    assert (panel.filled, panel.step(), panel.gaps()) == ((("y", 1),), 3_600_000_000_000, 0)


def test_a_day_is_as_long_as_its_clocks_say(tmp_path: Path) -> None:
    times = pd.date_range("2024-03-30", "2024-04-01 23:00", freq="h", tz="Europe/Berlin", unit="ns")
    write(tmp_path / "a.parquet", t=times, y=[1.0] * 24 + [2.0] * 23 + [3.0] * 24)

    panel = read(tmp_path, replace(ONE, frequency="1D"))

    assert panel.rows[:, 0].tolist() == [1, 2, 3]
    assert pd.DatetimeIndex(panel.times.astype("M8[ns]")).strftime("%d %H").tolist() == [
        "29 23",
        "30 23",
        "31 22",
    ]


def test_gaps_without_a_way_to_fill_them_are_refused(tmp_path: Path) -> None:
    times = pd.to_datetime(
        ["2024-01-01", "2024-01-02", "2024-01-01", "2024-01-02", "2024-01-05", "2024-01-08"]
    )
    ids = ["a", "a", "b", "b", "b", "b"]
    write(tmp_path / "a.parquet", t=times, id=ids, y=[1.0] * 6)

    assert refusal(tmp_path, replace(MANY, frequency="1D")) == (
        f"{tmp_path}: at a data.frequency of 1D, 4 steps have no row, in 2 gaps, the first in series 'b' "
        "after 2024-01-02 00:00:00; write data.missing (interpolate, forward or mask) to fill them"
    )
    panel = read(tmp_path, replace(MANY, frequency="1D", missing="forward"))
    assert (panel.lengths().tolist(), panel.gaps()) == ([2, 8], 2)


@pytest.mark.parametrize(
    ("times", "columns", "sentence"),
    [
        (
            [1, 2, 3],
            replace(ONE, frequency="1h"),
            "whole numbers, data.frequency is '1h'; write a whole number",
        ),
        (HOURS, replace(ONE, frequency=2), "times, data.frequency is 2; write a step such as 15min or 1h"),
        (
            [1, 2, 3],
            replace(ONE, calendar=True),
            "whole numbers, which have no calendar; take it out of data.future",
        ),
    ],
)
def test_a_frequency_of_the_times_own_kind(
    tmp_path: Path, times: Any, columns: Columns, sentence: str
) -> None:
    shard = good(tmp_path / "a.parquet", t=times)

    assert refusal(tmp_path, columns) == f"shard {shard}: column 't' holds {sentence}"


def test_steps_of_years_have_no_calendar(tmp_path: Path) -> None:
    good(tmp_path / "a.parquet", t=pd.date_range("2000", periods=3, freq="YS"))

    assert refusal(tmp_path, replace(ONE, calendar=True)) == (
        f"{tmp_path}: data.future has the calendar, but steps of 12MS go through no cycle of it; take it out"
    )


@pytest.mark.parametrize("name", ["y.missing", "calendar.month_cos"])
def test_a_column_of_the_name_of_one_that_is_made(tmp_path: Path, name: str) -> None:
    good(tmp_path / "a.parquet", **{name: [1, 2, 3]})

    assert refusal(tmp_path, Columns("t", None, ("y",), (name,), missing="mask", calendar=True)) == (
        f"{tmp_path}: a column {name!r} is made of the others; rename the one that the data has"
    )


def test_one_wrong_time_does_not_make_billions_of_rows(tmp_path: Path) -> None:
    good(
        tmp_path / "a.parquet", t=pd.to_datetime(["1700-01-01 00:00", "2024-01-01 00:00", "2024-01-01 00:01"])
    )

    assert refusal(tmp_path, replace(ONE, frequency="1s", missing="forward")) == (
        f"{tmp_path}: with a row for every step the 3 rows would be 1.02e+10; the widest gap is in the "
        "series after 1700-01-01 00:00:00; see that its times are right, or write a longer data.frequency"
    )


@pytest.mark.parametrize("times", [[-(2**62), 0, 2**62], [-(2**63), 1, 2**63 - 1]])
def test_numbers_that_are_absurdly_far_apart(tmp_path: Path, times: list[int]) -> None:
    good(tmp_path / "a.parquet", t=times)

    assert "with a row for every step the 3 rows would be" in refusal(
        tmp_path, replace(ONE, frequency=1, missing="forward")
    )


def test_rows_on_the_grid_are_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((Assembly, "_copy"), (gridding, "_spread"), (completion, "_widened")):
        monkeypatch.delattr(module, name)
    good(tmp_path / "a.parquet")

    for missing in ("error", "interpolate", "forward"):
        assert read(tmp_path, replace(ONE, frequency="1h", missing=missing)).rows[:, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("frequency", [None, "1h", "6h", "1D"])
def test_no_more_than_a_block_is_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frequency: str | None
) -> None:
    monkeypatch.setattr(scan, "_PIECE", 1 << 13)
    monkeypatch.setattr(scan, "_AHEAD", 2)
    for module in (npyfile, assembly, gridding):
        monkeypatch.setattr(module, "BLOCK", 1 << 12)
    count = 400_000
    y = np.arange(count, dtype=float)
    y[1000:300_000] = np.nan
    times = np.datetime64("1980-01-01", "ns") + np.arange(count) * np.timedelta64(1, "h")
    kept = np.r_[0:200_000, 250_000:count]
    write(tmp_path / "data" / "a.parquet", t=times[kept], y=y[kept], x=y[kept])
    columns = Columns("t", None, ("y",), ("x",), missing="mask", calendar=True, frequency=frequency)

    tracemalloc.start()
    try:
        build_panel(Source.find(LOCAL, str(tmp_path / "data"), columns), tmp_path / "panel")
        panel = Panel.load(tmp_path / "panel")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert len(panel.times) == -(-count // {None: 1, "1h": 1, "6h": 6, "1D": 24}[frequency])
    assert panel.rows[-1, 0] >= count - 24
    assert peak < 12e6
