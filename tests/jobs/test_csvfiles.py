"""CSV files that cannot be imported: every fault has its sentence, and nothing is left."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from jobs.csvfiles import BLOCK
from jobs.errors import JobError
from jobs.importing import import_files
from tests.jobs.csvs import GOOD, LOCAL, refusal


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
        (
            tmp_path / "no.csv",
            "does not exist; give a CSV, JSON lines, Feather or Parquet file, a folder of them or a glob",
        ),
        (
            tmp_path / "*.csv",
            "does not exist; give a CSV, JSON lines, Feather or Parquet file, a folder of them or a glob",
        ),
        (
            tmp_path,
            "no CSV, JSON lines, Feather or Parquet files in this folder; name the files or another folder",
        ),
    ]:
        with pytest.raises(JobError) as error:
            import_files([str(source)], str(tmp_path / "out"), LOCAL)
        assert str(error.value) == f"{source}: {rest}"


@pytest.mark.parametrize(
    "start", [b"\xff\xfe", b"date,x\n2024-01-01,\xe9\n", b"date,x\n" + b"2024-01-01,1\n" * 9999]
)
def test_text_in_another_encoding_is_refused(tmp_path: Path, start: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(start + b"2024-01-01,\xe9\n")

    with pytest.raises(JobError) as error:
        import_files([str(tmp_path / "a.csv")], str(tmp_path / "out"), LOCAL)

    assert str(error.value) == f"{tmp_path}/a.csv: not UTF-8 text; save it as CSV in UTF-8"


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(GOOD.encode())[:-12])

    with pytest.raises(JobError, match=r"a\.csv\.gz: cannot be read"):
        import_files([str(tmp_path / "a.csv.gz")], str(tmp_path / "out"), LOCAL)
