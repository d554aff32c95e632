"""Static covariates: one value a series, wherever and however often it is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from jobs.source import Columns
from tests.jobs.shard_files import MANY, good, read, refusal

KIND = replace(MANY, static=("kind",))
IDS = ["b", "a", "b"]


@pytest.mark.parametrize(
    ("values", "names", "static"),
    [
        ([2.5, 1.0, 2.5], ("kind",), [[1.0], [2.5]]),
        (pa.array([2, 1, 2], pa.int8()), ("kind",), [[1], [2]]),
        ([True, False, True], ("kind",), [[0], [1]]),
        (pa.array([2, 1, 2]).dictionary_encode(), ("kind",), [[1], [2]]),
        (pa.array([2, 1, 2], pa.decimal128(5, 1)), ("kind",), [[1], [2]]),
        (["é", "d", "é"], ("kind=d", "kind=é"), [[1, 0], [0, 1]]),
        (pa.array(["x", "x", "x"], pa.large_string()), ("kind=x",), [[1], [1]]),
        (pa.array(["z", "d", "z"]).dictionary_encode(), ("kind=d", "kind=z"), [[1, 0], [0, 1]]),
    ],
)
def test_numbers_are_features_and_texts_one_a_category(
    tmp_path: Path, values: Any, names: tuple[str, ...], static: list[list[float]]
) -> None:
    good(tmp_path / "a.parquet", id=IDS, kind=values)

    panel = read(tmp_path, KIND)

    assert panel.static is not None
    assert (panel.statics, panel.static.tolist()) == (names, static)
    assert panel.static.dtype == np.float32
    assert panel.columns == ("y",)


def test_series_may_be_in_several_shards_of_any_order(tmp_path: Path) -> None:
    good(tmp_path / "a.parquet", id=["c", "b", "c"], kind=["z", "y", "z"])
    good(tmp_path / "b.parquet", t=pa.array([9, 8, 7], pa.timestamp("ns")), id=IDS, kind=["y", "x", "y"])

    panel = read(tmp_path, KIND)

    assert panel.static is not None
    assert panel.statics == ("kind=x", "kind=y", "kind=z")
    assert panel.static.tolist() == np.eye(3).tolist()


def test_a_folders_name_may_be_static(tmp_path: Path) -> None:
    good(tmp_path / "kind=hot/a.parquet", id=["a"] * 3)
    good(tmp_path / "kind=cold/a.parquet", id=["b"] * 3)

    panel = read(tmp_path, KIND)

    assert panel.static is not None
    assert (panel.statics, panel.static.tolist()) == (("kind=cold", "kind=hot"), [[0, 1], [1, 0]])


def test_one_series_may_have_some_too(tmp_path: Path) -> None:
    good(tmp_path / "a.parquet", kind=[4, 4, 4])

    panel = read(tmp_path, Columns("t", None, ("y",), (), static=("kind",)))

    assert panel.static is not None
    assert panel.static.tolist() == [[4]]


@pytest.mark.parametrize(
    ("values", "two"),
    [
        ([1.5, 2.0, 3.0], "1.5 in one row and 3 in another"),
        (["x", "x", "y"], "'x' in one row and 'y' in another"),
    ],
)
@pytest.mark.parametrize("apart", [False, True])
def test_a_static_column_that_changes(tmp_path: Path, values: Any, two: str, apart: bool) -> None:  # noqa: FBT001
    if apart:
        good(tmp_path / "a.parquet", id=["c", "c", "b"], kind=[values[0]] * 3)
        shard = good(tmp_path / "b.parquet", id=["d", "d", "b"], kind=[values[2]] * 3)
    else:
        shard = good(tmp_path / "a.parquet", id=IDS, kind=values)

    assert refusal(tmp_path, KIND) == (
        f"shard {shard}: static column 'kind' of series 'b' is {two}; it has one value in a series, "
        "a column that changes belongs to data.past or data.future"
    )


@pytest.mark.parametrize(
    ("values", "count"),
    [
        ([1.0, None, None], 2),
        ([1.0, float("inf"), 1.0], 1),
        ([1.0, 1e39, 1.0], 1),
        (["a", None, "a"], 1),
        (pa.array(["a", None, "a"]).dictionary_encode(), 1),
    ],
)
def test_static_values_that_are_missing_or_infinite(tmp_path: Path, values: Any, count: int) -> None:
    shard = good(tmp_path / "a.parquet", id=IDS, kind=values)

    assert refusal(tmp_path, KIND) == (
        f"shard {shard}: static column 'kind' has {count} rows without a finite value, the first is row 1; "
        "fill them, or leave the column out of data.static"
    )


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pa.array([1, 2, 1], pa.timestamp("ns")), "timestamp[ns]"),
        ([[1.0], [2.0], [1.0]], "list<element: double>"),
        (pa.array([{"a": 1}] * 3), "struct<a: int64>"),
        (pa.array([None] * 3), "null"),
    ],
)
def test_static_columns_of_other_types(tmp_path: Path, values: Any, kind: str) -> None:
    shard = good(tmp_path / "a.parquet", id=IDS, kind=values)

    assert refusal(tmp_path, KIND) == (
        f"shard {shard}: static column 'kind' is {kind}; it may hold numbers or texts"
    )


@pytest.mark.parametrize("count", [100, 101])
def test_a_text_has_no_more_than_a_hundred_categories(tmp_path: Path, count: int) -> None:
    ids = [f"s{index:03d}" for index in range(count)]
    for part in range(2):
        rows = slice(part * 60, (part + 1) * 60)
        length = len(ids[rows])
        shard = good(
            tmp_path / f"{part}.parquet", t=[1] * length, y=[1.0] * length, id=ids[rows], kind=ids[rows]
        )
    if count == 100:
        panel = read(tmp_path, KIND)
        assert panel.static is not None
        np.testing.assert_array_equal(panel.static, np.eye(100))
        return

    assert refusal(tmp_path, KIND) == (
        f"shard {shard}: static column 'kind' has more than 100 categories; "
        "join the rare ones, or leave the column out of data.static"
    )


def test_categories_may_be_those_of_training(tmp_path: Path) -> None:
    good(tmp_path / "a.parquet", id=IDS, kind=["z", "x", "z"])

    panel = read(tmp_path, replace(KIND, categories=(("kind", ("x", "y", "z")),)))

    assert panel.static is not None
    assert panel.statics == ("kind=x", "kind=y", "kind=z")
    assert panel.static.tolist() == [[1, 0, 0], [0, 0, 1]]


def test_a_category_that_training_had_not(tmp_path: Path) -> None:
    shard = good(tmp_path / "a.parquet", id=IDS, kind=["z", "x", "z"])

    assert refusal(tmp_path, replace(KIND, categories=(("kind", ("x", "y")),))) == (
        f"shard {shard}: static column 'kind' of series 'b' is 'z', which was not among the categories of "
        "training ('x', 'y'); leave such series out, or train with them"
    )


def test_numbers_where_training_had_texts(tmp_path: Path) -> None:
    shard = good(tmp_path / "a.parquet", id=IDS, kind=[1, 1, 1])

    assert refusal(tmp_path, replace(KIND, categories=(("kind", ("1",)),))) == (
        f"shard {shard}: static column 'kind' holds numbers, but texts in training; write it as in training"
    )
