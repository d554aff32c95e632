"""CSV to Parquet: the values survive."""

from __future__ import annotations

import gzip
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

from jobs.csvfiles import BLOCK
from jobs.importing import ImportSummary, import_files
from jobs.source import Columns
from tests.jobs.csvs import GOOD, LOCAL, imported, imported_from, refusal_of, rows_of_shards, write
from tests.jobs.shard_files import read


def test_a_file_becomes_shards_and_a_summary_of_them(tmp_path: Path) -> None:
    source = write(tmp_path / "a.csv", GOOD)
    told: list[tuple[str, int, float]] = []

    summary = import_files(
        [source],
        str(tmp_path / "out"),
        LOCAL,
        series="id",
        rows_per_shard=1,
        progress=lambda *now: told.append(now),
    )

    shards = sorted((tmp_path / "out").iterdir())
    assert [shard.name for shard in shards] == ["part-00000.parquet", "part-00001.parquet"]
    assert summary == ImportSummary(
        shards=2,
        rows=2,
        bytes=sum(shard.stat().st_size for shard in shards),
        time="date",
        series="id",
        columns={"date": "timestamp[ns]", "id": "string", "OT": "double"},
        numbers=("OT",),
        text={},
    )
    assert told == [("read", 2, 1.0), ("written", 2, 1.0)]
    assert pq.ParquetFile(shards[0]).metadata.row_group(0).column(2).compression == "ZSTD"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "out"]


IDS = st.one_of(
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=3, unique=True),
    st.lists(
        st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=5),
        min_size=1,
        max_size=3,
        unique=True,
    ),
)


@settings(deadline=None, max_examples=60)
@given(data=st.data(), ids=IDS, zone=st.sampled_from([None, "UTC"]), files=st.integers(1, 3))
def test_what_pandas_writes_comes_back_with_the_same_values(
    data: st.DataObject, ids: list[Any], zone: str | None, files: int
) -> None:
    count = data.draw(st.integers(files, 12))
    numbers = st.floats(allow_nan=True, allow_infinity=True)
    texts = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters='\n,"'), max_size=6)
    frame = pd.DataFrame(
        {
            "note": ["x" + data.draw(texts) for _ in range(count)],
            "value": np.array([data.draw(numbers) for _ in range(count)], np.float64),
            "when": pd.date_range("2024-01-01", periods=count, freq="17min", tz=zone, unit="ns"),
            "who": [data.draw(st.sampled_from(ids)) for _ in range(count)],
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        for index, rows in enumerate(np.array_split(np.arange(count), files)):
            frame.iloc[rows].to_csv(f"{folder}/{index}.csv", index=False)

        import_files(
            [folder], f"{folder}/out", LOCAL, series="who", rows_per_shard=data.draw(st.integers(1, 13))
        )

        read = pq.read_table(f"{folder}/out")
    assert read.column_names == list(frame.columns)
    assert read["note"].to_pylist() == frame["note"].tolist()
    np.testing.assert_array_equal(read["value"].to_numpy(), frame["value"].to_numpy())
    assert read["when"].to_pylist() == frame["when"].tolist()
    assert [str(who) for who in read["who"].to_pylist()] == [str(who) for who in frame["who"]]


def test_a_column_that_is_whole_in_the_first_block_and_broken_in_the_last_is_one_type(tmp_path: Path) -> None:
    count = 2 * BLOCK // len("2024-01-01,1\n")

    table = imported(tmp_path, "date,OT\n" + "2024-01-01,1\n" * count + "2024-01-02,2.5\n")

    assert table.schema.field("OT").type == pa.float64()
    assert table["OT"][0].as_py() == 1.0
    assert table["OT"][count].as_py() == 2.5


def test_a_word_after_the_first_block_makes_the_column_text_and_the_summary_says_where(
    tmp_path: Path,
) -> None:
    count = 2 * BLOCK // len("2024-01-01,1,2\n")
    source = write(tmp_path / "a.csv", "date,OT,x\n" + "2024-01-01,1,2\n" * count + "2024-01-02,?,3\n")

    summary = import_files([source], str(tmp_path / "out"), LOCAL)

    table = pq.read_table(tmp_path / "out")
    assert summary.columns == {"date": "timestamp[ns]", "OT": "string", "x": "double"}
    assert summary.text == {"OT": f"'?' in row {count + 2} of {source}"}
    assert summary.rows == table.num_rows == count + 1
    assert table["OT"][0].as_py() == "1"
    assert table["OT"][count].as_py() == "?"


def test_missing_numbers_and_texts_are_null(tmp_path: Path) -> None:
    table = imported(tmp_path, "date,x,y\n2024-01-01,,\n2024-01-02,NA,b\n2024-01-03, 1 ,NA\n")

    assert table["x"].to_pylist() == [None, None, 1.0]
    assert table["y"].to_pylist() == [None, "b", "NA"]


@pytest.mark.parametrize(
    ("ids", "kept"),
    [
        (["1", "20", "-3"], [1, 20, -3]),
        (["007", "7", "1"], ["007", "7", "1"]),
        (["1", "NA", "nan"], ["1", "NA", "nan"]),
        (["1", "2", " b "], ["1", "2", "b"]),
    ],
)
def test_ids_are_whole_numbers_only_if_none_would_change(
    tmp_path: Path, ids: list[str], kept: list[Any]
) -> None:
    table = imported(tmp_path, "date,id\n" + "".join(f"2024-01-01,{one}\n" for one in ids), series="id")

    assert table["id"].to_pylist() == kept


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2024-01-31", pd.Timestamp("2024-01-31")),
        ("2024-01-31 14:00", pd.Timestamp("2024-01-31 14:00")),
        ("2024-01-31T14:00:00.123456789", pd.Timestamp("2024-01-31 14:00:00.123456789")),
        ("2024-01-31T14:00:00+01:00", pd.Timestamp("2024-01-31 13:00", tz="UTC")),
        ("2024-01-31T14:00:00Z", pd.Timestamp("2024-01-31 14:00", tz="UTC")),
    ],
)
def test_the_first_column_of_iso_times_is_the_time(tmp_path: Path, written: str, read: pd.Timestamp) -> None:
    table = imported(tmp_path, f"id,year,note,when,later\n1,2024,x,{written},2024-05-05\n")

    assert table["when"].to_pandas().tolist() == [read]
    assert table.schema.field("later").type == pa.string()


def test_a_column_with_gaps_is_no_time_when_a_whole_one_follows(tmp_path: Path) -> None:
    table = imported(tmp_path, "holiday,when,x\n2024-01-01,2024-01-01,1\n,2024-01-02,2\n")

    assert [str(field.type) for field in table.schema] == ["string", "timestamp[ns]", "double"]


def test_whole_numbers_are_a_time_when_named(tmp_path: Path) -> None:
    table = imported(tmp_path, "step,when,x\n5,2024-01-01,1\n6,2024-01-02,2\n", time="step")

    assert table["step"].to_pylist() == [5, 6]
    assert table.schema.field("step").type == pa.int64()


def test_a_frame_written_with_its_index_gets_a_time_column_with_a_name(tmp_path: Path) -> None:
    text = pd.DataFrame({"x": [1.0]}, index=pd.to_datetime(["2024-01-01"])).to_csv()

    assert imported(tmp_path, text).column_names == ["column_1", "x"]


def test_marks_empty_lines_quotes_and_compression_are_read(tmp_path: Path) -> None:
    text = '\ufeff\r\n\r\n"date"," x ","a\nb"\r\n2024-01-01,1,"2\n"\r\n\r\n2024-01-02,3,"say ""no"""\r\n'
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text.encode()))

    import_files([str(tmp_path)], str(tmp_path / "out"), LOCAL)

    table = pq.read_table(tmp_path / "out").to_pydict()
    assert table["x"] == [1.0, 3.0]
    assert table["a\nb"] == ["2\n", 'say "no"']


def test_folders_globs_and_files_are_read_once_each_in_order_by_column_name(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    second = write(tmp_path / "in" / "2.csv", "x,date\n2,2024-01-02\n")
    write(tmp_path / "in" / "1.CSV", "date,x\n2024-01-01,1\n")
    write(tmp_path / "in" / "notes.txt", "not a table")

    import_files([str(tmp_path / "in"), second, str(tmp_path / "in" / "?.csv")], str(tmp_path / "out"), LOCAL)

    assert pq.read_table(tmp_path / "out")["x"].to_pylist() == [1.0, 2.0]


@pytest.mark.parametrize("most", [1, 3, 4, 9, 10, 11])
def test_shards_are_equal_to_within_a_row(tmp_path: Path, most: int) -> None:
    text = "date,x\n" + "".join(f"2024-01-{day:02d},{day}\n" for day in range(1, 11))

    table = imported(tmp_path, text, rows_per_shard=most)

    rows = rows_of_shards(tmp_path)
    assert table["x"].to_pylist() == [float(day) for day in range(1, 11)]
    assert len(rows) == -(-10 // most)
    assert max(rows) <= most
    assert max(rows) - min(rows) <= 1


def test_shards_are_divided_anew_in_their_place(tmp_path: Path) -> None:
    before = imported(tmp_path, GOOD, rows_per_shard=1)

    after = imported_from(tmp_path, tmp_path / "out", replace=True)

    assert after.equals(before)
    assert rows_of_shards(tmp_path) == [2]


def test_progress_tells_the_share_of_all_files_that_is_behind(tmp_path: Path) -> None:
    told: list[tuple[str, int, float]] = []
    line = "2024-01-01,1\n"
    count = BLOCK // len(line)
    for name in "abcd":
        write(tmp_path / f"{name}.csv", "date,x\n" + line * 2 * count)

    imported_from(tmp_path, tmp_path, progress=lambda *now: told.append(now))

    for doing in ("read", "written"):
        rows, shares = zip(*[(rows, share) for what, rows, share in told if what == doing], strict=True)
        assert len(rows) > 1
        assert (rows[-1], shares[-1]) == (8 * count, pytest.approx(1))
        assert list(rows) == sorted(rows)
        assert list(shares) == sorted(shares)


@pytest.mark.parametrize("change", ["2024-01-03,a,3\n", ""])
def test_a_file_that_changes_after_its_rows_were_counted_is_refused(tmp_path: Path, change: str) -> None:
    source = tmp_path / "a.csv"

    def edit(doing: str, *_: object) -> None:
        if doing == "read":
            source.write_text(GOOD + change if change else GOOD[:-1].rpartition("\n")[0] + "\n")

    write(source, GOOD)

    assert refusal_of(tmp_path, source, progress=edit) == (
        "a.csv: changed while it was read; import again when it stays as it is"
    )


def test_a_panel_can_be_read_from_what_was_written(tmp_path: Path) -> None:
    imported(tmp_path, GOOD, series="id")

    panel = read(tmp_path / "out", Columns("date", "id", ("OT",), ()))

    assert panel.rows.tolist() == [[1.5], [2.0]]
    assert panel.series == ("a",)
