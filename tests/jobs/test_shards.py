"""Shards become the same panel however the rows are spread over them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

from jobs import scan
from jobs.panel import Panel
from jobs.scan import Scan
from jobs.source import Columns, Source
from tests.jobs.shard_files import HOURS, LOCAL, MANY, ONE, good, read, refusal, write

# The same rows, spread in any way


def obvious(frame: pd.DataFrame) -> Panel:
    """The panel of columns id, t, y and x, one series after the other."""
    series = [group.sort_values("t") for _, group in sorted(frame.groupby("id"), key=lambda item: item[0])]
    return Panel(
        columns=("y", "x"),
        targets=1,
        rows=np.concatenate([one[["y", "x"]].to_numpy(np.float32) for one in series]),
        times=np.concatenate([one["t"].astype("int64").to_numpy() for one in series]),
        offsets=np.array([0, *np.cumsum([len(one) for one in series])], np.int64),
        series=tuple(one["id"].tolist()[0] for one in series),
        time_type="timestamp[ns]",
    )


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    ids = draw(
        st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=4, unique=True)
        | st.lists(st.text("aBé1_ ", max_size=3), min_size=1, max_size=4, unique=True)
    )
    number = st.floats(-(2.0**100), 2.0**100, width=32)
    rows = [
        {"id": who, "t": pd.Timestamp(at * 7_000_000_123), "y": draw(number), "x": draw(number)}
        for who in ids
        for at in draw(st.sets(st.integers(-(10**8), 10**8), min_size=1, max_size=5))
    ]
    return pd.DataFrame(rows).astype({"t": "datetime64[ns]"})


@settings(deadline=None, max_examples=60, derandomize=True)
@given(frame=frames(), data=st.data())
def test_any_sharding_and_any_order_give_the_obvious_panel(frame: pd.DataFrame, data: st.DataObject) -> None:
    shuffled = frame.iloc[data.draw(st.permutations(range(len(frame))))]
    owner = np.array([data.draw(st.integers(0, 3)) for _ in range(len(frame))])
    columns = Columns("t", "id", ("y",), ("x",))
    names = data.draw(st.permutations(["a/b/0.parquet", "a/1.parquet", "2.pq", "z.parq"]))
    with tempfile.TemporaryDirectory() as folder:
        for index, name in enumerate(names):
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            table = pa.Table.from_pandas(shuffled[owner == index], preserve_index=False)
            # An empty shard of no id's own type would be of another schema.
            pq.write_table(table.cast(pa.Table.from_pandas(frame, preserve_index=False).schema), path)
        panel = read(folder, columns)

    wanted = obvious(frame)
    np.testing.assert_array_equal(panel.rows, wanted.rows)
    np.testing.assert_array_equal(panel.times, wanted.times)
    np.testing.assert_array_equal(panel.offsets, wanted.offsets)
    assert (panel.columns, panel.targets, panel.series) == (wanted.columns, 1, wanted.series)
    assert panel.fingerprint() == wanted.fingerprint()


# Ids


@pytest.mark.parametrize(
    ("ids", "series"),
    [
        (pa.array([2, 10, -1], pa.int64()), (-1, 2, 10)),
        (pa.array([2, 10, 255], pa.uint8()), (2, 10, 255)),
        (pa.array(["b", "a", "10"]), ("10", "a", "b")),
        (pa.array(["b", "a", "10"], pa.large_string()), ("10", "a", "b")),
        (pa.array(["b", "a", "10"]).dictionary_encode(), ("10", "a", "b")),
        (pa.array([7, 5, 6]).dictionary_encode(), (5, 6, 7)),
    ],
)
def test_ids_are_whole_numbers_or_texts_in_order(tmp_path: Path, ids: pa.Array, series: Any) -> None:
    good(tmp_path / "a.parquet", id=ids)

    panel = read(tmp_path, MANY)

    assert panel.series == series
    assert panel.lengths().tolist() == [1, 1, 1]


def test_dictionaries_of_their_own_in_each_shard_are_one_set_of_ids(tmp_path: Path) -> None:
    good(tmp_path / "a.parquet", id=pa.array(["b", "a", "b"]).dictionary_encode())
    good(tmp_path / "b.parquet", id=pa.array(["c", "c", "a"]).dictionary_encode())

    assert read(tmp_path, MANY).lengths().tolist() == [2, 2, 2]


def test_one_series_has_no_id(tmp_path: Path) -> None:
    good(tmp_path / "a.parquet")

    assert read(tmp_path).series == (None,)


# Times


@pytest.mark.parametrize(
    ("times", "nanoseconds", "time_type"),
    [
        *(
            (pa.array([1, 2, 4], pa.timestamp(unit)), [factor, 2 * factor, 4 * factor], "timestamp[ns]")
            for unit, factor in [("s", 10**9), ("ms", 10**6), ("us", 10**3), ("ns", 1)]
        ),
        (
            pa.array([0, 3600], pa.timestamp("s", "Europe/Berlin")),
            [0, 3600 * 10**9],
            "timestamp[ns, tz=Europe/Berlin]",
        ),
        (pa.array([0, 1], pa.timestamp("ms", "UTC")), [0, 10**6], "timestamp[ns, tz=UTC]"),
        (pa.array([0, 2], pa.date32()), [0, 2 * 86_400 * 10**9], "timestamp[ns]"),
        (pa.array([0, 86_400_000], pa.date64()), [0, 86_400 * 10**9], "timestamp[ns]"),
        (pa.array(["1970-01-01", "1970-01-01 00:00:01"]), [0, 10**9], "timestamp[ns]"),
        (
            pa.array(["1970-01-01T01:00:00+01:00", "1970-01-01T00:00:01Z"], pa.large_string()),
            [0, 10**9],
            "timestamp[ns]",
        ),
        (pa.array([5, 9], pa.int64()), [5, 9], "int64"),
        (pa.array([5, 9], pa.uint16()), [5, 9], "int64"),
        (pa.array([-5, 9], pa.int32()), [-5, 9], "int64"),
    ],
)
def test_times_of_every_kind_are_read(
    tmp_path: Path, times: pa.Array, nanoseconds: list[int], time_type: str
) -> None:
    write(tmp_path / "a.parquet", t=times, y=pa.array(range(len(times)), pa.float32()))

    panel = read(tmp_path)

    assert panel.times.tolist() == nanoseconds
    assert panel.time_type == time_type


# Numbers


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1, 0, 1], pa.int8()),
        pa.array([1, 0, 1], pa.uint64()),
        pa.array([1.0, 0.0, 1.0], pa.float32()),
        pa.array([True, False, True]),
        pa.array([1, 0, 1], pa.decimal128(10, 2)),
        pa.array([1, 0, 1]).dictionary_encode(),
        pa.array([1.0, 0.0, 1.0], pa.float32()).dictionary_encode(),
    ],
)
def test_numbers_of_every_kind_are_read(tmp_path: Path, values: pa.Array) -> None:
    good(tmp_path / "a.parquet", y=values)

    panel = read(tmp_path)

    assert panel.rows.tolist() == [[1.0], [0.0], [1.0]]
    assert panel.rows.dtype == np.float32


def test_columns_are_read_by_name_and_others_are_left_alone(tmp_path: Path) -> None:
    good(tmp_path / "a.parquet", note=["a", "b", "c"], x=[4, 5, 6])
    write(tmp_path / "b.parquet", x=[7], y=[8.0], t=HOURS[-1:] + pd.Timedelta("1h"))

    panel = read(tmp_path, Columns("t", None, ("x", "y"), ()))

    assert panel.rows.tolist() == [[4, 1], [5, 2], [6, 3], [7, 8]]
    assert (panel.columns, panel.targets) == (("x", "y"), 2)


def test_future_covariates_follow_the_past_ones(tmp_path: Path) -> None:
    good(tmp_path / "a.parquet", f=[7, 8, 9], x=[4, 5, 6])

    panel = read(tmp_path, Columns("t", None, ("y",), ("x",), future=("f",)))

    assert panel.rows.tolist() == [[1, 4, 7], [2, 5, 8], [3, 6, 9]]
    assert (panel.columns, panel.known, panel.calendar, panel.masks) == (("y", "x", "f"), 1, 0, 0)


def test_the_calendar_comes_last(tmp_path: Path) -> None:
    good(tmp_path / "a.parquet", f=[7, 8, 9])

    panel = read(tmp_path, Columns("t", None, ("y",), (), future=("f",), calendar=True))

    assert panel.columns[:3] == ("y", "f", "calendar.hour_sin")
    assert (len(panel.columns), panel.known, panel.calendar) == (8, 7, 6)
    np.testing.assert_allclose(panel.rows[1, 2:4], [np.sin(np.pi / 12), np.cos(np.pi / 12)], rtol=1e-6)


def test_shards_without_rows_between_others(tmp_path: Path) -> None:
    empty = {"t": HOURS[:0], "y": pa.array([], pa.float64()), "kind": pa.array([], pa.string())}
    write(tmp_path / "a.parquet", **empty)
    good(tmp_path / "b.parquet", kind=["k"] * 3)
    write(tmp_path / "c.parquet", **empty)

    panel = read(tmp_path, Columns("t", None, ("y",), (), static=("kind",), missing="mask", calendar=True))

    assert panel.rows[:, 0].tolist() == [1, 2, 3]
    assert panel.statics == ("kind=k",)


# Partitions, row groups and filters


def test_a_single_file_is_a_panel_as_its_folder_is(tmp_path: Path) -> None:
    shard = good(tmp_path / "a.parquet")

    assert read(shard, ONE).fingerprint() == read(tmp_path, ONE).fingerprint()


def test_folders_names_are_columns(tmp_path: Path) -> None:
    """As Hive, Spark and pandas write them."""
    for store in ("b", "a"):
        for year in (2024, 2023):
            times = [f"{year}-01-01", f"{year}-01-02"]
            write(tmp_path / f"store={store}/year={year}/0.parquet", t=times, y=[year, year + 1.0])

    panel = read(tmp_path, Columns("t", "store", ("y",), ("year",)))

    assert panel.series == ("a", "b")
    assert panel.rows.tolist() == [[2023, 2023], [2024, 2023], [2024, 2024], [2025, 2024]] * 2


def test_folders_names_that_are_whole_numbers_are_ids(tmp_path: Path) -> None:
    for store in (10, 9):
        good(tmp_path / f"store={store}/0.parquet")

    assert read(tmp_path, Columns("t", "store", ("y",), ())).series == (9, 10)


def test_a_column_of_the_file_goes_before_one_of_its_path(tmp_path: Path) -> None:
    good(tmp_path / "id=9/0.parquet", id=["a", "a", "b"])

    assert read(tmp_path, MANY).series == ("a", "b")


def test_row_groups_of_large_shards_are_read_beside_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "_LARGE", 500)
    table = pa.table({"t": range(1000), "y": [float(number) for number in range(1000)]})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=37)
    found = Scan.of(Source.find(LOCAL, str(tmp_path), ONE))
    (fragment,) = found.dataset.get_fragments()
    parts = list(found._parts(fragment, 1000))

    assert len(parts) > 3
    assert [group.id for part in parts for group in part.row_groups] == list(range(28))
    assert read(tmp_path).rows[:, 0].tolist() == list(range(1000))


@settings(deadline=None, max_examples=30, derandomize=True)
@given(frame=frames(), low=st.integers(-(10**8), 10**8), data=st.data())
def test_only_the_rows_that_are_asked_for_are_read(
    frame: pd.DataFrame, low: int, data: st.DataObject
) -> None:
    ids = tuple(data.draw(st.lists(st.sampled_from(frame["id"].tolist()), min_size=1)))
    moment = pd.Timestamp(low * 7_000_000_123)
    wanted = frame[frame["id"].isin(ids) & (frame["t"] >= moment) & (frame["x"] != 0)]
    where = (("id", "in", ids), ("t", ">=", str(moment)), ("x", "!=", 0))
    columns = Columns("t", "id", ("y",), (), where)
    with tempfile.TemporaryDirectory() as folder:
        pq.write_table(pa.Table.from_pandas(frame), Path(folder) / "a.parquet", row_group_size=3)
        if wanted.empty:
            assert refusal(folder, columns).endswith("the data has no rows; none fulfils data.where")
            return
        panel = read(folder, columns)

    np.testing.assert_array_equal(panel.rows[:, 0], obvious(wanted).rows[:, 0])
    assert panel.series == obvious(wanted).series


def test_a_condition_on_a_folders_name_leaves_shards_unread(tmp_path: Path) -> None:
    good(tmp_path / "store=1/a.parquet")
    (tmp_path / "store=2").mkdir()
    (tmp_path / "store=2/b.parquet").write_text("not one")

    assert len(read(tmp_path, Columns("t", None, ("y",), (), (("store", "=", 1),))).rows) == 3
