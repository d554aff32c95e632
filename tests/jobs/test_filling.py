"""Missing values: refused, or filled from what is known of their series."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from jobs import npyfile
from jobs.source import Columns
from tests.jobs.shard_files import MANY, ONE, read, refusal, write

NAN = float("nan")
FILLED = replace(ONE, missing="forward")


def hours(count: int) -> Any:
    return pd.date_range("2024-01-01", periods=count, freq="h", unit="ns")


def shard(folder: Path, y: Any, **others: Any) -> Path:
    return write(folder / "a.parquet", t=hours(len(y)), y=y, **others)


@pytest.mark.parametrize("block", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("missing", "filled"),
    [
        ("interpolate", [1, 1, 1, 2, 3, 4, 5, 5]),
        ("forward", [1, 1, 1, 1, 1, 4, 5, 5]),
        ("mask", [1, 1, 1, 1, 1, 4, 5, 5]),
    ],
)
def test_values_before_between_and_after_known_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, missing: str, filled: list[float]
) -> None:
    monkeypatch.setattr(npyfile, "BLOCK", block)
    shard(tmp_path, [NAN, NAN, 1.0, NAN, NAN, 4.0, 5.0, NAN])

    panel = read(tmp_path, replace(ONE, missing=missing))

    assert panel.rows[:, 0].tolist() == filled
    assert panel.filled == (("y", 5),)
    if missing == "mask":
        assert (panel.columns, panel.masks) == (("y", "y.missing"), 1)
        assert panel.rows[:, 1].tolist() == [1, 1, 0, 1, 1, 0, 0, 1]
        assert (panel.inputs, panel.hidden) == (("y", "y.missing"), False)
    else:
        assert panel.rows[:, 1].tolist() == [-2, -1, 0, 1, 2, 0, 0, 1]
        assert (panel.inputs, panel.hidden) == (("y",), True)


def test_the_line_between_two_values_is_one_in_time(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", t=[0, 3, 4, 10], y=[0.0, NAN, NAN, 20.0])

    assert read(tmp_path, replace(ONE, missing="interpolate")).rows[:, 0].tolist() == [0, 6, 8, 20]


def test_nothing_is_taken_from_another_series(tmp_path: Path) -> None:
    ids = ["a", "a", "a", "b", "b", "b"]
    write(tmp_path / "a.parquet", t=[1, 2, 3] * 2, id=ids, y=[1.0, 2.0, NAN, NAN, 8.0, 9.0])

    assert read(tmp_path, replace(MANY, missing="interpolate")).rows[:, 0].tolist() == [1, 2, 2, 8, 8, 9]


def test_masks_are_of_targets_and_past_covariates(tmp_path: Path) -> None:
    shard(tmp_path, [1.0, NAN], x=[NAN, 1.0], f=[2.0, NAN])

    panel = read(tmp_path, Columns("t", None, ("y",), ("x",), future=("f",), missing="mask"))

    assert panel.columns == ("y", "x", "f", "y.missing", "x.missing")
    assert panel.rows.tolist() == [[1, 1, 2, 0, 1], [1, 1, 2, 1, 0]]
    assert (panel.known, panel.calendar, panel.masks) == (1, 0, 2)
    assert panel.filled == (("y", 1), ("x", 1), ("f", 1))


@pytest.mark.parametrize("missing", ["interpolate", "forward"])
def test_a_column_may_be_named_as_a_mask_that_nobody_sees(tmp_path: Path, missing: str) -> None:
    shard(tmp_path, [1.0, NAN, 3.0], **{"y.missing": [5.0, 6.0, 7.0]})

    panel = read(tmp_path, Columns("t", None, ("y",), ("y.missing",), missing=missing))

    assert panel.inputs == ("y", "y.missing")


@pytest.mark.parametrize("missing", ["interpolate", "forward"])
def test_nothing_is_hidden_where_nothing_is_missing(tmp_path: Path, missing: str) -> None:
    shard(tmp_path, [1.0, 2.0])

    panel = read(tmp_path, replace(ONE, missing=missing))

    assert (panel.rows.tolist(), panel.masks, panel.hidden) == ([[1], [2]], 0, False)


def test_masks_are_there_where_nothing_is_missing_too(tmp_path: Path) -> None:
    shard(tmp_path, [1.0, 2.0])

    panel = read(tmp_path, replace(ONE, missing="mask"))

    assert (panel.rows.tolist(), panel.filled) == ([[1, 0], [2, 0]], ())


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1, None, 3]),
        pa.array([1, None, 3], pa.uint8()),
        pa.array([1.0, NAN, 3.0], pa.float32()),
        pa.array([1, None, 3], pa.decimal128(10, 2)),
        pa.array([1, None, 3]).dictionary_encode(),
        pa.array([1.0, None, 3.0]).dictionary_encode(),
        pa.array([1.0, NAN, 3.0]).dictionary_encode(),
    ],
)
def test_missing_values_of_every_kind(tmp_path: Path, values: pa.Array) -> None:
    shard(tmp_path, values)

    assert read(tmp_path, FILLED).rows[:, 0].tolist() == [1, 1, 3]
    assert "has 1 missing, NaN or infinite values, the first in row 1" in refusal(tmp_path)


@pytest.mark.parametrize("missing", ["interpolate", "forward", "mask"])
@pytest.mark.parametrize("value", [float("inf"), -1e39])
def test_infinite_values_are_never_missing(tmp_path: Path, missing: str, value: float) -> None:
    path = shard(tmp_path, [1.0, NAN, value])

    assert refusal(tmp_path, replace(ONE, missing=missing)) == (
        f"shard {path}: column 'y' has 1 infinite or too large values, the first in row 2 ({value}); "
        "fill or drop them"
    )


@pytest.mark.parametrize("y", [[1.0, NAN, NAN, NAN, 2.0], [NAN, NAN, NAN, 2.0], [2.0, NAN, NAN, NAN]])
def test_a_run_that_is_longer_than_the_limit(tmp_path: Path, y: list[float]) -> None:
    ids = ["b"] * 2 + ["c"] * len(y)
    times = [*hours(2), *hours(len(y))]
    write(tmp_path / "a.parquet", t=times, id=ids, y=[1.0, NAN, *y])
    first = hours(5)[y.index(next(value for value in y if np.isnan(value)))]

    assert refusal(tmp_path, replace(MANY, missing="mask", missing_limit=2)) == (
        f"{tmp_path}: column 'y' of series 'c' has no value for 3 steps from {first} on, more "
        "than data.missing_limit of 2; fill or drop them, raise the limit, or leave such series out with "
        "data.where"
    )
    assert len(read(tmp_path, replace(MANY, missing="mask", missing_limit=3)).rows) == 2 + len(y)


@pytest.mark.parametrize(
    ("missing", "column"),
    [("forward", "y"), ("interpolate", "x"), ("mask", "y"), ("mask", "f"), ("mask", None)],
)
def test_a_column_of_which_nothing_is_known_in_a_series(
    tmp_path: Path, missing: str, column: str | None
) -> None:
    columns = Columns("t", None, ("y",), ("x",), future=("f",), missing=missing)
    gone = column or "x"
    shard(tmp_path, **({name: [1.0, 2.0] for name in ("y", "x", "f")} | {gone: pa.nulls(2, pa.float64())}))
    if column is None:
        panel = read(tmp_path, columns)
        assert panel.rows[:, [1, 4]].tolist() == [[0, 1], [0, 1]]
        return

    assert refusal(tmp_path, columns) == (
        f"{tmp_path}: column {column!r} of the series has no known value at all; "
        "leave such series out with data.where, or the column"
    )
