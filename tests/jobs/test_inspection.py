"""All that is wrong with shards is found in one reading."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from jobs.inspection import Inspection, inspect, lengths_of
from jobs.source import Columns, Source
from tests.jobs.shard_files import HOURS, LOCAL, good, read, write

MANY = Columns("t", "id", ("y",), ("x",))


def looked_at(path: Path, columns: Columns = MANY) -> Inspection:
    return inspect(Source.find(LOCAL, str(path), columns), path.parent / "found")


def shard(path: Path, hour: int = 0, **changes: Any) -> Path:
    columns = {"id": ["a"] * 3, "x": [1.0, 2.0, 3.0]} | changes
    return good(path, **({"t": HOURS + pd.Timedelta(hours=hour)} | columns))


def kinds(found: Inspection) -> list[tuple[str, int]]:
    return [(problem.kind, problem.count) for problem in found.problems]


def test_a_good_panel_has_no_problem_and_is_what_a_run_reads(tmp_path: Path) -> None:
    for number in range(4):
        shard(tmp_path / f"d/{number}.parquet", 3 * (number // 2), id=["ab"[number % 2]] * 3)

    found = looked_at(tmp_path / "d")

    assert found.problems == []
    assert found.rows == 12
    assert found.panel is not None
    wanted = read(tmp_path / "d", MANY)
    np.testing.assert_array_equal(found.panel.rows, wanted.rows)
    np.testing.assert_array_equal(found.panel.times, wanted.times)
    assert found.panel.series == wanted.series == ("a", "b")
    assert lengths_of(found.panel) == {"least": 6, "median": 6, "most": 6}


def test_every_problem_of_every_shard_is_told_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    shard(folder / "0.parquet")
    shard(folder / "1.parquet", 3, y=pa.array([1, 2, 3], pa.int32()))
    shard(folder / "2.parquet", 6, y=[np.inf, None, np.nan])
    shard(folder / "3.parquet", 7)  # two of its hours are there already
    shard(folder / "4.parquet", 20, y=[[1.0]] * 3)
    write(folder / "5.parquet", t=HOURS, id=["a"] * 3, y=[1.0, 2.0, 3.0])
    (folder / "6.parquet").write_bytes(b"PAR1 nonsense")
    shard(folder / "7.parquet", 40, id=["a", None, "a"])
    shard(folder / "8.parquet", 60, x=[-np.inf, 2.0, 3.0])
    shard(folder / "9.parquet", 70, y=pa.array([1, 2, 3], pa.int32()))

    found = looked_at(folder)

    assert sorted(kinds(found)) == [
        ("duplicates", 2),
        ("infinite", 1),
        ("infinite", 1),
        ("missing", 2),
        ("schema", 1),
        ("schema", 1),
        ("schema", 2),
        ("unreadable", 1),
        ("unreadable", 1),
    ]
    said = {problem.said for problem in found.problems}
    assert (
        f"column 'y' has 2 missing values in 1 shard, the first {folder}/2.parquet; see data.missing" in said
    )
    assert (
        f"in 2 shards, the first {folder}/1.parquet: column 'y' is int32 but double in {folder}/0.parquet; "
        "write all shards with one schema"
    ) in said
    assert "2 rows have a time of series 'a' that another row has; keep one for each" in said
    assert any("7.parquet: column 'id' has 1 rows without a series id" in each for each in said)
    assert all(problem.severity == "error" for problem in found.problems)
    assert found.panel is not None
    assert found.rows == 12  # of the shards 0, 2, 3 and 8
    assert np.isnan(found.panel.rows).sum() == 4


def test_the_schema_that_most_shards_have_is_the_usual_one(tmp_path: Path) -> None:
    shard(tmp_path / "d/0.parquet", y=pa.array([1, 2, 3], pa.int32()))
    for number in range(1, 4):
        shard(tmp_path / f"d/{number}.parquet", 3 * number)

    found = looked_at(tmp_path / "d")

    assert kinds(found) == [("schema", 1)]
    assert found.problems[0].shard == f"{tmp_path}/d/0.parquet"
    assert found.rows == 9


@pytest.mark.parametrize("spoil", ["column", "file", "type"])
def test_where_nothing_can_be_read_it_says_so(tmp_path: Path, spoil: str) -> None:
    path = tmp_path / "d/0.parquet"
    if spoil == "column":
        good(path)
    elif spoil == "type":
        shard(path, y=["a", "b", "c"])
    else:
        path.parent.mkdir()
        path.write_bytes(b"nothing")

    found = looked_at(tmp_path / "d")

    assert found.panel is None
    assert found.problems[-1].kind == "empty"
    assert len(found.problems) == 2


def test_missing_values_that_a_job_fills_are_a_warning(tmp_path: Path) -> None:
    shard(tmp_path / "d/0.parquet", y=[1.0, None, 3.0])

    found = looked_at(tmp_path / "d", Columns("t", "id", ("y",), ("x",), missing="forward"))

    (problem,) = found.problems
    assert (problem.severity, problem.kind) == ("warning", "missing")
    assert problem.said.endswith("; data.missing: forward fills them")


def test_it_tells_how_far_it_is(tmp_path: Path) -> None:
    for number in range(4):
        shard(tmp_path / f"d/{number}.parquet", 3 * number)
    told: list[tuple[str, int, float]] = []

    inspect(Source.find(LOCAL, str(tmp_path / "d"), MANY), tmp_path / "found", lambda *now: told.append(now))

    assert told == [("read", 3, 0.0), ("read", 6, 0.25), ("read", 9, 0.5), ("read", 12, 0.75)]
