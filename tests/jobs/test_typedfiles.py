"""Feather, Arrow and Parquet files: types survive, and what is damaged or nested has its sentence."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as pa_feather
import pyarrow.parquet as pq
import pytest

from jobs.origins import CELLS
from tests.jobs.csvs import imported_from, refusal_of, rows_of_shards

HOURS = pd.date_range("2024-01-01", periods=3, freq="h", unit="us", tz="Europe/Berlin")


def write_stream(table: pa.Table, path: Path) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)


WRITERS: dict[str, Callable[[pa.Table, Path], None]] = {
    "a.feather": pa_feather.write_feather,
    "a.parquet": pq.write_table,
    "stream.arrow": write_stream,
}
kinds = pytest.mark.parametrize("name", WRITERS)


def table(**columns: Any) -> pa.Table:
    return pa.table({"t": HOURS, "y": pa.array([1, 2, 3], pa.int16())} | columns)


def written(path: Path, content: pa.Table) -> Path:
    WRITERS["stream.arrow" if path.suffix == ".arrow" else f"a{path.suffix}"](content, path)
    return path


@kinds
def test_types_that_can_be_used_stay_as_they_are(tmp_path: Path, name: str) -> None:
    source = table(
        id=pa.array([7, 8, 9], pa.int32()),
        price=pa.array([Decimal("1.50"), None, Decimal("2.25")]),
        open=[True, None, False],
        note=["a", "", None],
        share=pa.array([0.5, np.nan, None], pa.float32()),
        shop=pa.array(["x", "y", "x"]).dictionary_encode(),
        day=pa.array([dt.date(2024, 1, 1)] * 3),
        none=pa.nulls(3),
        took=pa.array([1, None, 2], pa.duration("s")),
    )

    found = imported_from(tmp_path, written(tmp_path / name, source), series="id")

    assert {field.name: str(field.type) for field in found.schema} == {
        "t": "timestamp[ns, tz=Europe/Berlin]",
        "y": "int16",
        "id": "int64",
        "price": "decimal128(3, 2)",
        "open": "bool",
        "note": "string",
        "share": "float",
        "shop": "string",
        "day": "date32[day]",
        "none": "double",
        "took": "duration[s]",
    }
    wanted = source.drop_columns(["share"]).to_pydict()
    assert found.drop_columns(["share"]).to_pydict() == wanted
    assert str(found["share"].to_pylist()) == "[0.5, nan, None]"


@kinds
def test_rows_are_read_in_pieces_in_their_order(tmp_path: Path, name: str) -> None:
    count = CELLS + 3
    source = pa.table({"t": np.arange(count), "y": np.arange(count) * 0.5})

    found = imported_from(tmp_path, written(tmp_path / name, source), time="t", rows_per_shard=count // 2)

    assert found.equals(source)
    assert rows_of_shards(tmp_path) == [count // 3 + 1] * 2 + [count // 3]  # 524,291 rows


def test_several_files_are_joined_and_columns_go_by_their_names(tmp_path: Path) -> None:
    written(tmp_path / "1.feather", table())
    written(tmp_path / "2.arrow", table(y=pa.array([4, 5, 6], pa.int16())).select(["y", "t"]))

    assert imported_from(tmp_path, tmp_path)["y"].to_pylist() == [1, 2, 3, 4, 5, 6]


def test_an_empty_file_beside_others_is_no_fault(tmp_path: Path) -> None:
    written(tmp_path / "1.parquet", table().slice(0, 0))
    written(tmp_path / "2.parquet", table())

    assert imported_from(tmp_path, tmp_path)["y"].to_pylist() == [1, 2, 3]


@pytest.mark.parametrize("suffix", [".feather", ".parquet"])
def test_a_frames_index_comes_first_under_the_name_that_reset_index_gives(
    tmp_path: Path, suffix: str
) -> None:
    frame = pd.DataFrame({"y": [1.0, 2.0, 3.0]}, index=HOURS)
    path = tmp_path / f"a{suffix}"
    written(path, pa.Table.from_pandas(frame))

    found = imported_from(tmp_path, path)

    wanted = frame.reset_index()
    assert found.column_names == list(wanted.columns) == ["index", "y"]
    assert found["index"].to_pylist() == wanted["index"].tolist()


def test_levels_of_an_index_keep_their_numbers(tmp_path: Path) -> None:
    index = pd.MultiIndex.from_arrays([["a", "a", "b"], HOURS])
    path = written(
        tmp_path / "a.parquet", pa.Table.from_pandas(pd.DataFrame({"y": [1.0, 2, 3]}, index=index))
    )

    assert imported_from(tmp_path, path, series="level_0").column_names == ["level_0", "level_1", "y"]


def test_texts_are_times_when_they_are_named_or_all_that_there_is(tmp_path: Path) -> None:
    source = pa.table({"when": ["2024-01-01T00:00Z", "2024-01-01T01:00Z"], "y": [1, 2]})

    found = imported_from(tmp_path, written(tmp_path / "a.feather", source))

    assert str(found.schema.field("when").type) == "timestamp[ns, tz=UTC]"


@pytest.mark.parametrize(
    ("content", "options", "sentence"),
    [
        (
            table(x=[[1], [2], [3]]),
            {},
            (
                "a.feather: column 'x' is list<item: int64>, nested values; "
                "flatten it into columns or leave it out"
            ),
        ),
        (
            table(x=[b"1", b"2", b"3"]),
            {},
            (
                "a.feather: column 'x' is binary, values that are neither numbers, times nor texts; "
                "flatten it into columns or leave it out"
            ),
        ),
        (
            table(x=pa.array([(1, 2, 3)] * 3, pa.month_day_nano_interval())),
            {},
            (
                "a.feather: column 'x' is month_day_nano_interval, values that are neither numbers, times "
                "nor texts; flatten it into columns or leave it out"
            ),
        ),
        (table(), {"time": "when"}, "a.feather: no column 'when'; it has t, y"),
        (
            table(t=[1.0, 2.0, 3.0]),
            {"time": "t"},
            "a.feather: column 't' is double; a time is a timestamp, a date or a whole number",
        ),
        (
            table(id=[1.0, 2.0, 3.0]),
            {"series": "id"},
            "a.feather: column 'id' is double; a series id is a string or a whole number",
        ),
        (
            table(t=[HOURS[0], None, HOURS[2]]),
            {},
            "a.feather: column 't', row 2: no time; fill it in or drop the row",
        ),
        (
            table(id=["a", "b", ""]),
            {"series": "id"},
            "a.feather: column 'id', row 3: no series id; fill it in or drop the row",
        ),
        (
            table(t=pa.array([0, 1, 2**60], pa.timestamp("s"))),
            {},
            (
                "a.feather: column 't', row 3: 1152921504606846976 is not a timestamp of the years 1678 "
                "to 2261 like 2024-01-31 14:00:00; correct or drop it"
            ),
        ),
        (
            table().slice(0, 0),
            {},
            "a.feather: there are no rows in the files; give files that hold some",
        ),
        (
            pa.table({"t": [1, 2], "y": [1.0, 2.0]}),
            {},
            (
                "a.feather: no column holds timestamps like 2024-01-31 14:00:00; "
                "name the time column with --time (it has t, y)"
            ),
        ),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(
    tmp_path: Path, content: pa.Table, options: dict[str, Any], sentence: str
) -> None:
    found = refusal_of(tmp_path, written(tmp_path / "a.feather", content), **options)

    assert found == sentence


def test_a_column_that_changes_its_type_between_files_is_refused(tmp_path: Path) -> None:
    written(tmp_path / "a.parquet", table())
    written(tmp_path / "b.parquet", table(y=[1.5, 2.5, 3.5]))

    found = refusal_of(tmp_path, tmp_path)

    assert found == "b.parquet: column 'y' is double, and int16 in a.parquet; give it one type in all files"


def test_a_column_that_only_one_file_has_is_refused(tmp_path: Path) -> None:
    written(tmp_path / "a.parquet", table())
    written(tmp_path / "b.parquet", table(z=[1, 2, 3]))

    assert refusal_of(tmp_path, tmp_path) == (
        "b.parquet: the header adds column 'z', unlike a.parquet; give all files the same columns"
    )


@kinds
@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.95])
def test_a_file_that_was_cut_short_is_refused(tmp_path: Path, name: str, kept: float) -> None:
    count = 100_000
    values = np.random.default_rng(0).normal(size=count)
    path = written(tmp_path / name, pa.table({"t": np.arange(count), "y": values}))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])

    found = refusal_of(tmp_path, path, time="t")

    assert found.startswith(f"{name}: cannot be read (")
    assert found.endswith("); write it again or leave it out")


def test_a_page_that_is_damaged_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(table(), path, write_page_checksum=True, compression="none", use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[content.index(b"\x01\x00\x00\x00\x02\x00\x00\x00\x03")] = 9
    path.write_bytes(content)

    assert "CRC" in refusal_of(tmp_path, path)


def test_feather_of_version_1_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.feather").write_bytes(b"FEA1" + bytes(100))

    assert refusal_of(tmp_path, tmp_path / "a.feather") == (
        "a.feather: Feather of version 1; write it again as version 2"
    )
