"""Wide tables with a series a column: the same panel as the long table of the same data."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as pa_feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

from jobs.csvfiles import BLOCK
from jobs.importing import import_files
from jobs.source import Columns
from tests.jobs.csvs import LOCAL, imported, imported_from, refusal, refusal_of, rows_of_shards, write
from tests.jobs.shard_files import read

WIDE = "date,a,b,c\n2024-01-01,1,,\n2024-01-02,,2,\n2024-01-03,3,,NA\n"


def day(number: int) -> pd.Timestamp:
    return pd.Timestamp(f"2024-01-{number:02d}")


def test_a_series_has_rows_from_its_first_value_to_its_last(tmp_path: Path) -> None:
    table = imported(tmp_path, WIDE, wide="columns")

    assert [str(field.type) for field in table.schema] == ["timestamp[ns]", "string", "double"]
    assert table.to_pydict() == {
        "date": [day(1), day(2), day(2), day(3)],
        "series": ["a", "a", "b", "a"],
        "value": [1.0, None, 2.0, 3.0],
    }


def test_a_series_lives_on_from_file_to_file_and_block_to_block(tmp_path: Path) -> None:
    count = 2 * BLOCK // len("2024-01-02,,1\n")
    write(tmp_path / "1.csv", "date,a,b\n2024-01-01,5,\n" + "2024-01-02,,1\n" * count)
    write(tmp_path / "2.csv", "date,b,a\n2024-01-03,,6\n2024-01-04,,\n")

    table = imported_from(tmp_path, tmp_path, wide="columns", rows_per_shard=count)

    assert table.num_rows == 1 + 2 * count + 1
    assert table["value"].null_count == count
    assert table.slice(table.num_rows - 1).to_pylist() == [{"date": day(3), "series": "a", "value": 6.0}]
    assert rows_of_shards(tmp_path) == [
        (2 * count + 2) // 3 + (index < (2 * count + 2) % 3) for index in range(3)
    ]


def test_the_columns_that_are_made_can_be_named_and_ids_be_whole_numbers(tmp_path: Path) -> None:
    table = imported(tmp_path, "step,1,20\n0,5,6\n", wide="columns", time="step", series="id", value="y")

    assert table.to_pydict() == {"step": [0, 0], "id": [1, 20], "y": [5.0, 6.0]}


def test_typed_tables_may_be_wide_too(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1, 2, 3], "b": [np.nan, 0.5, np.nan]}, index=[day(1), day(2), day(3)])
    pa_feather.write_feather(pa.Table.from_pandas(frame), tmp_path / "a.feather")
    frame.reset_index(names="t").astype({"t": str}).to_json(
        tmp_path / "a.jsonl", orient="records", lines=True
    )
    wanted = {"series": ["a", "a", "b", "a"], "value": [1.0, 2.0, 0.5, 3.0]}

    for file, time in [("a.feather", "index"), ("a.jsonl", "t")]:
        found = imported_from(tmp_path, tmp_path / file, wide="columns", replace=True)
        assert found.to_pydict() == {time: [day(1), day(2), day(2), day(3)]} | wanted


@settings(deadline=None, max_examples=50)
@given(data=st.data(), kind=st.sampled_from(["csv", "feather", "jsonl"]))
def test_wide_and_long_imports_of_the_same_data_are_the_same_panel(data: st.DataObject, kind: str) -> None:
    steps, names = data.draw(st.integers(1, 8)), data.draw(st.sampled_from([["a", "b", "c"], ["2", "10"]]))
    lives = {name: sorted(data.draw(st.tuples(*[st.integers(0, steps)] * 2))) for name in names}
    lives[names[0]] = [0, steps]
    numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)
    wide = pd.DataFrame({"t": [str(day(1) + pd.Timedelta(hours=step)) for step in range(steps)]})
    for name, (begin, end) in lives.items():
        drawn = {step: data.draw(numbers) for step in range(begin, end)}
        wide[name] = pd.Series(drawn, dtype=float).reindex(range(steps))
    long = wide.melt("t", var_name="id", value_name="y").dropna()
    long["id"] = long["id"].map(int if names[0] == "2" else str)  # as the names of columns are understood
    with tempfile.TemporaryDirectory() as folder:
        for form, frame, options in [
            ("long", long, {"series": "id"}),
            ("wide", wide, {"wide": "columns", "series": "id", "value": "y"}),
        ]:
            for number, rows in enumerate(
                np.array_split(np.arange(len(frame)), data.draw(st.integers(1, 3)))
            ):
                if len(rows):
                    save(frame.iloc[rows], Path(folder) / f"{form}-{number}.{kind}")
            most = data.draw(st.integers(1, 30))
            import_files(
                [f"{folder}/{form}-*"], f"{folder}/{form}", LOCAL, time="t", rows_per_shard=most, **options
            )
        save_lines(wide, Path(folder) / "lines.csv")
        import_files(
            [f"{folder}/lines.csv"], f"{folder}/lines", LOCAL, wide="rows", time="t", series="id", value="y"
        )

        columns = Columns("t", "id", ("y",), ())
        panels = [read(f"{folder}/{form}", columns) for form in ("long", "wide", "lines")]
    for panel in panels[1:]:
        assert panel.series == panels[0].series
        np.testing.assert_array_equal(panel.rows, panels[0].rows)
        np.testing.assert_array_equal(panel.times, panels[0].times)
        np.testing.assert_array_equal(panel.offsets, panels[0].offsets)


def save(frame: pd.DataFrame, path: Path) -> None:
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True, double_precision=15)
    else:
        pa_feather.write_feather(pa.Table.from_pandas(frame, preserve_index=False), path)


def save_lines(wide: pd.DataFrame, path: Path) -> None:
    """A series a line, its dates in the header."""
    wide.set_index("t").T.to_csv(path, index_label="id")


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        (
            "date,a,b\n2024-01-01,1,2\n2024-01-02,1,many\n",
            {},
            ("a.csv: column 'b', row 3: 'many' is no number; correct or empty it, or leave the column out"),
        ),
        (
            "date,a\n2024-01-01,1\nsoon,1\n",
            {},
            (
                "a.csv: column 'date', row 3: 'soon' is not a timestamp of the years 1678 to 2261 "
                "like 2024-01-31 14:00:00; correct or drop it"
            ),
        ),
        ("date,a\n2024-01-01,\n", {}, "a.csv: there are no values in the files; give files that hold some"),
        (
            "date\n2024-01-01\n",
            {},
            "a.csv: there is no column beside the time 'date'; give it a series a column",
        ),
        (
            "date,a\n2024-01-01,1\n",
            {"value": "date"},
            (
                "the columns of the long table would be 'date', 'series' and 'date'; "
                "give them three names with --time, --series and --value"
            ),
        ),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_sentence(
    tmp_path: Path, text: str, options: dict[str, Any], sentence: str
) -> None:
    assert refusal(tmp_path, text, wide="columns", **options) == sentence


def test_texts_among_the_series_of_a_typed_table_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"t": [day(1)], "a": [1.0], "note": ["x"]}), tmp_path / "a.parquet")

    assert refusal_of(tmp_path, tmp_path / "a.parquet", wide="columns") == (
        "a.parquet: column 'note' is string; beside its time a wide table has numbers alone: "
        "leave the column out"
    )
