"""Wide CSV with a series a line: the M4 competition's way."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from jobs.widerows import _VALUES
from tests.jobs.csvs import imported, imported_from, refusal, refusal_of, rows_of_shards, write

WIDE = '"V1","V2","V3","V4"\n"H1","1","2.5","3"\n\n"H2","4",,\n"H3",,"","5"\n'
M4 = Path("/work/shared/data/m4-hourly-train.csv")


def test_a_line_becomes_a_row_for_every_value(tmp_path: Path) -> None:
    table = imported(tmp_path, WIDE, wide="rows")

    assert [str(field.type) for field in table.schema] == ["int64", "string", "double"]
    assert table.to_pydict() == {
        "step": [0, 1, 2, 0, 2],
        "series": ["H1", "H1", "H1", "H2", "H3"],
        "value": [1.0, 2.5, 3.0, 4.0, 5.0],
    }


def test_blanks_at_the_ends_are_no_rows_and_those_between_are_missing_values(tmp_path: Path) -> None:
    table = imported(tmp_path, "id,a,b,c,d,e\nx,, 1 ,NA,2,nan\ny,,,,,\nz\nw,3\n", wide="rows")

    assert table.to_pydict() == {
        "step": [1, 2, 3, 0],
        "series": ["x", "x", "x", "w"],
        "value": [1.0, None, 2.0, 3.0],
    }


def test_a_header_of_dates_gives_the_times(tmp_path: Path) -> None:
    table = imported(tmp_path, "page,2024-01-01,2024-01-03\n1,5,6\n2,,7\n", wide="rows")

    assert table.to_pydict() == {
        "time": [pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-03"), pd.Timestamp("2024-01-03")],
        "series": [1, 1, 2],
        "value": [5.0, 6.0, 7.0],
    }


def test_the_columns_that_are_made_can_be_named(tmp_path: Path) -> None:
    table = imported(tmp_path, WIDE, wide="rows", time="hour", series="id", value="load")

    assert table.column_names == ["hour", "id", "load"]


def test_ids_are_whole_numbers_only_if_all_of_all_files_are(tmp_path: Path) -> None:
    write(tmp_path / "1.csv", "id,a\n1,1\n")
    (tmp_path / "2.csv.gz").write_bytes(gzip.compress(b"id,a\nx,2\n"))

    table = imported_from(tmp_path, tmp_path, wide="rows")

    assert table["series"].to_pylist() == ["1", "x"]


def test_long_lines_and_many_lines_are_read_in_their_order(tmp_path: Path) -> None:
    long = "id," + ",".join(f"V{index}" for index in range(2 * _VALUES)) + "\n"
    text = long + "a," + ",".join(str(index) for index in range(2 * _VALUES)) + "\n"
    text += "".join(f"s{index},{index}\n" for index in range(_VALUES))

    table = imported(tmp_path, text, wide="rows", rows_per_shard=250_000)

    assert table["value"].to_pylist() == [*map(float, range(2 * _VALUES)), *map(float, range(_VALUES))]
    assert table["series"][-1].as_py() == f"s{_VALUES - 1}"
    assert rows_of_shards(tmp_path) == [196_608, 196_608]


@pytest.mark.parametrize(
    ("texts", "options", "sentence"),
    [
        (
            ["id,a,b\nx,1,2\ny,3,many\n"],
            {},
            "a.csv: column 'b', row 3: 'many' is no number; correct or empty it",
        ),
        (["id,a\nx,1\ny,2,3\n"], {}, "a.csv: row 3 has 3 values for 2 columns; correct or drop it"),
        (["id,a\nx,1\n ,2\n"], {}, "a.csv: row 3: no series id; fill it in or drop the row"),
        (
            ["id,a\nx,1\n", "id,a\ny,2\n x ,2\n"],
            {},
            "b.csv: row 3: series 'x' comes a second time; give every line an id of its own",
        ),
        (
            ["id,a\n"],
            {},
            "a.csv: there is a header and no row below it; give it rows or leave it out",
        ),
        (["id,a\nx,\ny\n"], {}, "a.csv: there are no rows in the files; give files that hold some"),
        (
            ["id,a\nx,1\n"],
            {"series": "value"},
            (
                "the columns of the long table would be 'step', 'value' and 'value'; "
                "give them three names with --time, --series and --value"
            ),
        ),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_sentence(
    tmp_path: Path, texts: list[str], options: dict[str, Any], sentence: str
) -> None:
    assert refusal(tmp_path, *texts, wide="rows", **options) == sentence


def test_only_csv_has_a_series_a_line(tmp_path: Path) -> None:
    found = refusal(tmp_path, '{"id": "a", "V1": 1}\n', suffix="jsonl", wide="rows")

    assert found == "a.jsonl: JSON lines; wide tables with a series a line are read from CSV alone"


def test_text_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"id,a\n" + b"x,1\n" * 9999 + b"\xe9,2\n")

    found = refusal_of(tmp_path, tmp_path / "a.csv", wide="rows")

    assert found == "a.csv: not UTF-8 text; save it as CSV in UTF-8"


@pytest.mark.skipif(not M4.exists(), reason="the M4 data may not be bundled and is not here")
def test_the_m4_competitions_hourly_series_are_all_there(tmp_path: Path) -> None:
    table = imported_from(tmp_path, M4, wide="rows")

    lengths = table.group_by("series", use_threads=False).aggregate([("value", "count")])
    frame = pd.read_csv(M4, index_col=0)
    assert lengths["value_count"].to_pylist() == frame.notna().sum(axis=1).tolist()
    assert lengths["series"].to_pylist() == frame.index.tolist()
    assert table["value"].to_pylist() == frame.to_numpy()[frame.notna().to_numpy()].tolist()
