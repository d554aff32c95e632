"""CSV to Parquet: the values survive, every fault has its sentence, and nothing half-done is left."""

from __future__ import annotations

import errno
import gzip
import signal
import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.local import LocalFileSystem
from hypothesis import given, settings
from pyarrow import fs as pafs

from jobs.errors import JobError
from jobs.importing import BLOCK, ImportSummary, import_csv
from jobs.shards import Columns, read_panel

LOCAL = pafs.LocalFileSystem()
GOOD = "date,id,OT\n2024-01-01,a,1.5\n2024-01-02,a,2\n"


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8", newline="")
    return str(path)


def imported(tmp_path: Path, text: str, **options: Any) -> pa.Table:
    write(tmp_path / "a.csv", text)
    import_csv([str(tmp_path / "a.csv")], str(tmp_path / "out"), LOCAL, **options)
    return pq.read_table(tmp_path / "out")


def refusal(tmp_path: Path, *texts: str, **options: Any) -> str:
    """The sentence with which these files are refused, less the folder's name; nothing is left there."""
    files = [write(tmp_path / f"{name}.csv", text) for name, text in zip("abc", texts, strict=False)]
    before = sorted(tmp_path.iterdir())
    with pytest.raises(JobError) as error:
        import_csv(files, str(tmp_path / "deep" / "out"), LOCAL, **options)
    assert sorted(tmp_path.iterdir()) == before
    return str(error.value).replace(f"{tmp_path}/", "")


# Values


def test_a_file_becomes_shards_and_a_summary_of_them(tmp_path: Path) -> None:
    source = write(tmp_path / "a.csv", GOOD)
    rows: list[int] = []

    summary = import_csv(
        [source], str(tmp_path / "out"), LOCAL, series="id", rows_per_shard=1, progress=rows.append
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
        text={},
    )
    assert rows == [2]
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

        import_csv(
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

    summary = import_csv([source], str(tmp_path / "out"), LOCAL)

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

    import_csv([str(tmp_path)], str(tmp_path / "out"), LOCAL)

    table = pq.read_table(tmp_path / "out").to_pydict()
    assert table["x"] == [1.0, 3.0]
    assert table["a\nb"] == ["2\n", 'say "no"']


def test_folders_globs_and_files_are_read_once_each_in_order_by_column_name(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    second = write(tmp_path / "in" / "2.csv", "x,date\n2,2024-01-02\n")
    write(tmp_path / "in" / "1.CSV", "date,x\n2024-01-01,1\n")
    write(tmp_path / "in" / "notes.txt", "not a table")

    import_csv([str(tmp_path / "in"), second, str(tmp_path / "in" / "?.csv")], str(tmp_path / "out"), LOCAL)

    assert pq.read_table(tmp_path / "out")["x"].to_pylist() == [1.0, 2.0]


def test_a_panel_can_be_read_from_what_was_written(tmp_path: Path) -> None:
    imported(tmp_path, GOOD, series="id")

    panel = read_panel(LOCAL, str(tmp_path / "out"), Columns("date", "id", ("OT",), ()))

    assert panel.rows.tolist() == [[1.5], [2.0]]
    assert panel.series == ("a",)


# Refusals


@pytest.mark.parametrize(
    ("texts", "options", "sentence"),
    [
        ([""], {}, "a.csv: the file is empty; give it a header and rows or leave it out"),
        (["\n\n"], {}, "a.csv: the file is empty; give it a header and rows or leave it out"),
        (["date,x\n"], {}, "a.csv: there is a header and no row below it; give it rows or leave it out"),
        (
            [GOOD, "date,id,OT\n"],
            {},
            "b.csv: there is a header and no row below it; give it rows or leave it out",
        ),
        (
            ["date,x,x\n2024-01-01,1,2\n"],
            {},
            "a.csv: the header names column 'x' twice; give every column a name of its own",
        ),
        (
            ["date;x\n2024-01-01;1\n"],
            {},
            "a.csv: the header is one column, 'date;x'; separate the columns by commas",
        ),
        (
            [GOOD, "date,id,ot\n2024-01-01,a,1\n"],
            {},
            (
                "b.csv: the header lacks column 'OT' and adds column 'ot', unlike a.csv; "
                "give all files the same columns"
            ),
        ),
        (
            [GOOD + "2024-01-03,a\n"],
            {},
            "a.csv: row 4 has 2 values for 3 columns ('2024-01-03,a'); complete or drop it",
        ),
        ([GOOD], {"time": "when"}, "a.csv: no column 'when'; it has date, id, OT"),
        ([GOOD], {"series": "ID"}, "a.csv: no column 'ID'; it has date, id, OT"),
        (
            [GOOD],
            {"time": "date", "series": "date"},
            "column 'date' is named for the time and for the series; name two columns",
        ),
        (
            ["a,b\n1,2\n"],
            {},
            (
                "a.csv: no column holds timestamps like 2024-01-31 14:00:00; "
                "name the time column with --time (it has a, b)"
            ),
        ),
        (
            ["date,x\n31.01.2024,1\n"],
            {"time": "date"},
            (
                "a.csv: column 'date', row 2: '31.01.2024' is not a timestamp of the years 1678 to 2261 "
                "like 2024-01-31 14:00:00; correct or drop it"
            ),
        ),
        (
            [GOOD, GOOD + "2024-02-30,a,3\n"],
            {},
            (
                "b.csv: column 'date', row 4: '2024-02-30' is not a timestamp of the years 1678 to 2261 "
                "like 2024-01-31 14:00:00; correct or drop it"
            ),
        ),
        (
            ["date,x\n2024-01-01T00:00Z,1\n2024-01-01T01:00,2\n"],
            {},
            (
                "a.csv: column 'date', row 3: '2024-01-01T01:00' is not a timestamp of the years 1678 "
                "to 2261 like 2024-01-31T14:00:00Z, as the first one is; correct or drop it"
            ),
        ),
        (
            ["step,x\n1,1\n,2\n"],
            {"time": "step"},
            "a.csv: column 'step', row 3: '' is not a whole number, as the first one is; correct or drop it",
        ),
        (
            ["date,id\n2024-01-01,a\n2024-01-01, \n"],
            {"series": "id"},
            "a.csv: column 'id', row 3: no series id; fill it in or drop the row",
        ),
        ([GOOD], {"rows_per_shard": 0}, "rows per shard is 0; give 1 or more"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_sentence(
    tmp_path: Path, texts: list[str], options: dict[str, Any], sentence: str
) -> None:
    assert refusal(tmp_path, *texts, **options) == sentence


def test_the_row_of_a_bad_time_is_counted_over_blocks(tmp_path: Path) -> None:
    count = 2 * BLOCK // len("2024-01-01,1\n")

    found = refusal(tmp_path, "date,x\n" + "2024-01-01,1\n" * count + "soon,1\n2024-01-01,1\n")

    assert found.startswith(f"a.csv: column 'date', row {count + 2}: 'soon' is not a timestamp")


def test_the_row_of_a_ragged_line_is_counted_over_blocks(tmp_path: Path) -> None:
    count = 2 * BLOCK // len("2024-01-01,1\n")

    found = refusal(tmp_path, "date,x\n" + "2024-01-01,1\n" * count + "2024-01-01,1,5\n2024-01-01,1\n")

    wanted = f"a.csv: row {count + 2} has 3 values for 2 columns ('2024-01-01,1,5'); complete or drop it"
    assert found == wanted


def test_places_without_csv_files_are_refused(tmp_path: Path) -> None:
    for source, rest in [
        (tmp_path / "no.csv", "does not exist; give a CSV file, a folder of CSV files or a glob"),
        (tmp_path / "*.csv", "does not exist; give a CSV file, a folder of CSV files or a glob"),
        (tmp_path, "no CSV files (*.csv) in this folder; name the files or another folder"),
    ]:
        with pytest.raises(JobError) as error:
            import_csv([str(source)], str(tmp_path / "out"), LOCAL)
        assert str(error.value) == f"{source}: {rest}"


@pytest.mark.parametrize(
    "start", [b"\xff\xfe", b"date,x\n2024-01-01,\xe9\n", b"date,x\n" + b"2024-01-01,1\n" * 9999]
)
def test_text_in_another_encoding_is_refused(tmp_path: Path, start: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(start + b"2024-01-01,\xe9\n")

    with pytest.raises(JobError) as error:
        import_csv([str(tmp_path / "a.csv")], str(tmp_path / "out"), LOCAL)

    assert str(error.value) == f"{tmp_path}/a.csv: not UTF-8 text; save it as CSV in UTF-8"


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(GOOD.encode())[:-12])

    with pytest.raises(JobError, match=r"a\.csv\.gz: cannot be read"):
        import_csv([str(tmp_path / "a.csv.gz")], str(tmp_path / "out"), LOCAL)


# The folder


def test_a_folder_that_is_not_empty_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    imported(tmp_path, GOOD)
    before = (tmp_path / "out" / "part-00000.parquet").read_bytes()

    with pytest.raises(JobError) as error:
        imported(tmp_path, GOOD + "2024-01-03,a,3\n")

    found = f"{tmp_path}/out: the folder is not empty; give another one, or --replace to replace it"
    assert str(error.value) == found
    assert (tmp_path / "out" / "part-00000.parquet").read_bytes() == before


def test_shards_are_replaced_as_a_whole_when_asked(tmp_path: Path) -> None:
    imported(tmp_path, GOOD, rows_per_shard=1)

    table = imported(tmp_path, "date,y\n2024-01-03,4\n", replace=True)

    assert table["y"].to_pylist() == [4.0]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["part-00000.parquet"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "out"]


def test_replacing_never_removes_what_no_import_wrote(tmp_path: Path) -> None:
    imported(tmp_path, GOOD)
    write(tmp_path / "out" / "thesis.docx", "years of work")

    with pytest.raises(JobError) as error:
        imported(tmp_path, GOOD, replace=True)

    found = f"{tmp_path}/out: holds 'thesis.docx', which is not replaced; take it away or give another folder"
    assert str(error.value) == found
    assert (tmp_path / "out" / "thesis.docx").exists()


def test_an_empty_folder_is_taken_and_a_file_is_not(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert imported(tmp_path, GOOD).num_rows == 2

    with pytest.raises(JobError) as error:
        import_csv([str(tmp_path / "a.csv")], str(tmp_path / "a.csv"), LOCAL)

    assert str(error.value) == f"{tmp_path}/a.csv: is a file; give a folder that does not exist yet"


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path / "a.csv", GOOD)

    with pytest.raises(JobError, match=r"a\.csv/out: cannot be written \(.*Not a directory"):
        import_csv([source], f"{source}/out", LOCAL)
    with pytest.raises(JobError, match=r"^/: not a folder that can be made; give one inside it$"):
        import_csv([source], "/", LOCAL)


@pytest.mark.parametrize("replace", [False, True])
def test_an_interrupted_import_leaves_nothing_of_its_own(tmp_path: Path, *, replace: bool) -> None:
    source = write(tmp_path / "b.csv", GOOD)
    if replace:
        imported(tmp_path, GOOD)
    before = sorted(tmp_path.rglob("*"))

    def press_control_c(_rows: int) -> None:
        signal.raise_signal(signal.SIGINT)

    out = tmp_path / "out" if replace else tmp_path / "not" / "yet" / "out"
    with pytest.raises(KeyboardInterrupt):
        import_csv([source], str(out), LOCAL, replace=replace, progress=press_control_c)

    assert sorted(tmp_path.rglob("*")) == before


class FullDisk(LocalFileSystem):
    """A disk on which the finished folder cannot take its place."""

    protocol = "full"
    cachable = False

    def mv(self, path1: str, path2: str, **options: Any) -> None:
        """Move anything but the finished folder."""
        if Path(path2).name == "out" and not path1.endswith(".replaced"):
            raise OSError(errno.ENOSPC, "full")
        super().mv(path1, path2, **options)


def test_the_old_shards_come_back_if_the_new_ones_cannot_take_their_place(tmp_path: Path) -> None:
    before = imported(tmp_path, GOOD)
    source = write(tmp_path / "a.csv", "date,y\n2024-01-03,4\n")

    with pytest.raises(JobError) as error:
        import_csv(
            [source], str(tmp_path / "out"), pafs.PyFileSystem(pafs.FSSpecHandler(FullDisk())), replace=True
        )

    assert str(error.value) == f"{tmp_path}/out: cannot be written (No space left on device)"
    assert pq.read_table(tmp_path / "out").equals(before)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "out"]


def test_an_object_store_gets_the_same_folder_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = pytest.importorskip("moto.server").ThreadedMotoServer(
        ip_address="127.0.0.1", port=0, verbose=False
    )
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    source = write(tmp_path / "a.csv", GOOD)
    server.start()
    try:
        host, port = server.get_host_and_port()
        store = pafs.S3FileSystem(
            endpoint_override=f"{host}:{port}", scheme="http", region="us-east-1", allow_bucket_creation=True
        )
        store.create_dir("bucket")

        import_csv([source], "bucket/data/out", store, rows_per_shard=1)
        import_csv([source], "bucket/data/out", store, replace=True)
        with pytest.raises(ZeroDivisionError):
            import_csv([source], "bucket/other/out", store, progress=lambda rows: 1 // (rows - 2))

        listed = store.get_file_info(pafs.FileSelector("bucket", recursive=True))
        table = pq.read_table("bucket/data/out", filesystem=store)
    finally:
        server.stop()
    assert sorted(info.path for info in listed if info.is_file) == ["bucket/data/out/part-00000.parquet"]
    assert not [info for info in listed if "other" in info.path]
    assert table["OT"].to_pylist() == [1.5, 2.0]


def test_a_folder_filled_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    source, out = write(tmp_path / "a.csv", "date,x\n2024-01-01,1\n"), tmp_path / "new" / "out"

    def someone_else(_rows: int) -> None:
        out.mkdir()
        write(out / "theirs.txt", "x")

    with pytest.raises(JobError, match=r"out: cannot be written \(.*not empty"):
        import_csv([source], str(out), LOCAL, progress=someone_else)

    assert [path.name for path in out.parent.rglob("*")] == ["out", "theirs.txt"]
