"""JSON lines: numbers, texts and times as they are meant, and the line that cannot be read."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from jobs.jsonlines import BLOCK
from tests.jobs.csvs import imported, imported_from, refusal, refusal_of, write


def lines(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


DAYS = [f"2024-01-{day:02d}" for day in range(1, 32)]


def test_objects_become_rows_of_all_keys(tmp_path: Path) -> None:
    text = lines(
        {"when": "2024-01-01T00:00:00Z", "id": "2024-05-01", "x": 1, "y": 1},
        {"when": "2024-01-01T01:00:00+00:00", "id": "b", "x": 2.5, "z": None},
        {"y": 2, "when": "2024-01-01T02:00:00Z", "id": "b", "open": True},
    )

    table = imported(tmp_path, text, name="a.jsonl", series="id")

    assert {field.name: str(field.type) for field in table.schema} == {
        "when": "timestamp[ns, tz=UTC]",
        "id": "string",
        "x": "double",
        "y": "int64",
        "z": "double",
        "open": "bool",
    }
    assert table["when"].to_pylist() == list(pd.date_range("2024-01-01", periods=3, freq="h", tz="UTC"))
    assert table["id"].to_pylist() == ["2024-05-01", "b", "b"]
    assert table["x"].to_pylist() == [1.0, 2.5, None]
    assert table["y"].to_pylist() == [1, None, 2]


def test_what_pandas_writes_is_read(tmp_path: Path) -> None:
    frame = pd.DataFrame({"t": [5, 6], "id": ["ä", 'say "no"\n'], "x": [1.5, None]})
    frame.to_json(tmp_path / "a.json", orient="records", lines=True)

    table = imported_from(tmp_path, tmp_path / "a.json", time="t", series="id")

    assert table.to_pydict() == {"t": [5, 6], "id": ["ä", 'say "no"\n'], "x": [1.5, None]}


def test_types_are_found_over_all_files_and_blocks(tmp_path: Path) -> None:
    count = 2 * BLOCK // len(lines({"t": DAYS[0], "x": 1}))
    write(tmp_path / "1.jsonl", lines({"t": DAYS[0], "x": 1}) * count + lines({"t": DAYS[1], "x": 0.5}))
    (tmp_path / "2.ndjson.gz").write_bytes(gzip.compress(lines({"t": DAYS[2], "late": 3}).encode()))

    table = imported_from(tmp_path, tmp_path)

    assert (table.num_rows, table.column_names) == (count + 2, ["t", "x", "late"])
    assert table["x"][count - 1 :].to_pylist() == [1.0, 0.5, None]
    assert table["late"][-2:].to_pylist() == [None, 3]


def test_a_line_may_be_longer_than_a_block_and_the_last_one_without_an_end(tmp_path: Path) -> None:
    long = "x" * (2 * BLOCK)

    table = imported(
        tmp_path, lines({"t": DAYS[0], "x": long}, {"t": DAYS[1], "x": "y"}).rstrip(), name="a.jsonl"
    )

    assert table["x"].to_pylist() == [long, "y"]


def test_a_mark_and_empty_lines_are_left_out(tmp_path: Path) -> None:
    text = "\ufeff\n\n" + lines({"t": DAYS[0], "x": 1}) + "\r\n \n" + lines({"t": DAYS[1], "x": 2}) + "\n"

    assert imported(tmp_path, text, name="a.jsonl")["x"].to_pylist() == [1, 2]


ROW = lines({"t": "2024-01-01", "x": 1})
MANY = 2 * BLOCK // len(ROW)


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (
            [ROW + '{"t": "2024-01-02", "x": \n' + ROW],
            "a.jsonl: line 2: not JSON (Expecting value); correct or drop it",
        ),
        (
            [ROW * MANY + ROW[:-4] + "\n" + ROW],
            f"a.jsonl: line {MANY + 1}: not JSON (Expecting value); correct or drop it",
        ),
        ([ROW + ROW[:10]], "a.jsonl: line 2: not JSON (Unterminated string starting at); correct or drop it"),
        (["[\n" + ROW + "]\n"], "a.jsonl: line 1: not JSON (Expecting value); correct or drop it"),
        ([ROW + "[1, 2]\n"], "a.jsonl: line 2: no object; write one {…} a line"),
        (
            [ROW + lines({"t": DAYS[1], "x": "many"})],
            "a.jsonl: line 2: column 'x' holds a text, and a number before; give it one type",
        ),
        (
            [ROW * MANY + lines({"t": DAYS[1], "x": True})],
            (
                f"a.jsonl: line {MANY + 1}: column 'x' holds true or false, and a number before; "
                "give it one type"
            ),
        ),
        (
            [ROW, ROW + lines({"t": 5, "x": 1})],
            "b.jsonl: line 2: column 't' holds a number, and a text before; give it one type",
        ),
        (
            [lines({"t": DAYS[0], "x": {"a": 1}})],
            "a.jsonl: column 'x' holds nested values; flatten it into columns or leave it out",
        ),
        (
            [ROW, lines({"t": DAYS[0], "x": [1, 2]})],
            "b.jsonl: column 'x' holds nested values; flatten it into columns or leave it out",
        ),
        (
            [ROW + lines({"t": "soon", "x": 1})],
            (
                "a.jsonl: column 't', line 2: 'soon' is not a timestamp of the years 1678 to 2261 "
                "like 2024-01-31 14:00:00; correct or drop it"
            ),
        ),
        (
            [ROW + lines({"x": 1})],
            "a.jsonl: column 't', line 2: no time; fill it in or drop the row",
        ),
        (["\n \n"], "a.jsonl: there are no rows in the files; give files that hold some"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_sentence(
    tmp_path: Path, texts: list[str], sentence: str
) -> None:
    assert refusal(tmp_path, *texts, suffix="jsonl") == sentence


def test_text_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(ROW.encode() + b'{"t": "2024-01-01", "x": "\xe9"}\n')

    assert refusal_of(tmp_path, tmp_path / "a.jsonl") == (
        "a.jsonl: line 2: not UTF-8 text; save it as JSON lines in UTF-8"
    )


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(ROW.encode() * 100)[:-12])

    assert refusal_of(tmp_path, tmp_path / "a.jsonl.gz").startswith("a.jsonl.gz: ")
