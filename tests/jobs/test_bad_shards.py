"""Shards that cannot be read: the sentence names shard, column and row, and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from jobs.source import Columns
from tests.jobs.shard_files import HOURS, MANY, good, refusal, write

# Files


@pytest.mark.parametrize("kept", [0, 3, 200, -1, -30])
def test_a_truncated_shard(tmp_path: Path, kept: int) -> None:
    good(tmp_path / "a.parquet")
    broken = good(tmp_path / "b.parquet")
    broken.write_bytes(broken.read_bytes()[:kept])

    sentence = refusal(tmp_path)

    assert sentence.startswith(f"shard {broken}: not a whole Parquet file (")
    assert sentence.endswith("); write it again or take it away")
    assert "\n" not in sentence


def test_another_file_called_parquet(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("date,OT\n2024-01-01,1\n")

    assert refusal(tmp_path) == (
        f"shard {tmp_path}/a.parquet: not a whole Parquet file (Parquet magic bytes not found in footer. "
        "Either the file is corrupted or this is not a parquet file.); write it again or take it away"
    )


def test_shards_without_a_row(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", t=pa.array([], pa.timestamp("ns")), y=pa.array([], pa.float64()))

    assert refusal(tmp_path) == f"{tmp_path}/a.parquet: the data has no rows"


# Columns


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        (Columns("when", None, ("y",), ()), "when"),
        (Columns("t", "id", ("y",), ()), "id"),
        (Columns("t", None, ("y", "z"), ()), "z"),
        (Columns("t", None, ("y",), ("w",)), "w"),
    ],
)
def test_a_missing_column(tmp_path: Path, columns: Columns, name: str) -> None:
    shard = good(tmp_path / "a.parquet")

    assert refusal(tmp_path, columns) == f"shard {shard}: no column {name!r}; it has t, y"


def test_a_column_missing_in_a_later_shard(tmp_path: Path) -> None:
    good(tmp_path / "a.parquet")
    write(tmp_path / "b.parquet", t=HOURS, z=[1, 2, 3])

    assert refusal(tmp_path) == f"shard {tmp_path}/b.parquet: no column 'y'; it has t, z"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"y": [1, 2, 3]}, "column 'y' is int64 but double"),
        ({"t": [1, 2, 3]}, "column 't' is int64 but timestamp[ns]"),
        ({"t": HOURS.tz_localize("UTC")}, "column 't' is timestamp[ns, tz=UTC] but timestamp[ns]"),
    ],
)
def test_shards_whose_schemas_differ(tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    first, other = good(tmp_path / "a.parquet"), good(tmp_path / "b.parquet", **change)

    assert refusal(tmp_path) == f"shard {other}: {sentence} in {first}; write all shards with one schema"


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "2", "3"], "string"),
        (HOURS, "timestamp[ns]"),
        ([None, None, None], "null"),
        ([[1.0], [2.0], [3.0]], "list<element: double>"),
        (pa.array([{"a": 1.0}] * 3), "struct<a: double>"),
        (
            pa.array(["1", "2", "3"]).dictionary_encode(),
            "dictionary<values=string, indices=int32, ordered=0>",
        ),
    ],
)
def test_a_target_that_is_no_number(tmp_path: Path, values: Any, kind: str) -> None:
    shard = good(tmp_path / "a.parquet", y=values)

    assert refusal(tmp_path) == (f"shard {shard}: column 'y' is {kind}, not numeric; a network needs numbers")


def test_two_time_zones(tmp_path: Path) -> None:
    """They would be one moment in UTC, but another hour of the day."""
    first = good(tmp_path / "a.parquet", t=HOURS.tz_localize("UTC"))
    other = good(tmp_path / "b.parquet", t=HOURS.tz_localize("Europe/Berlin"))

    assert refusal(tmp_path) == (
        f"shard {other}: column 't' is timestamp[ns, tz=Europe/Berlin] but timestamp[ns, tz=UTC] in {first}; "
        "write all shards with one schema"
    )


def test_a_time_zone_that_there_is_not(tmp_path: Path) -> None:
    shard = good(tmp_path / "a.parquet", t=pa.array([1, 2, 3], pa.timestamp("ns", "Europe/Berlim")))

    assert refusal(tmp_path) == (
        f"shard {shard}: column 't' names the time zone 'Europe/Berlim', which is unknown; "
        "write it with one that is"
    )


# Values


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([1.0, float("nan"), 3.0], "1 missing, NaN or infinite values, the first in row 1 (nan)"),
        ([1.0, None, None], "2 missing, NaN or infinite values, the first in row 1 (nan)"),
        ([float("-inf"), 2.0, float("inf")], "2 missing, NaN or infinite values, the first in row 0 (-inf)"),
        ([1.0, 2.0, 1e39], "1 missing, NaN or infinite values, the first in row 2 (1e+39)"),
        (pa.array([1, None, 3]), "1 missing, NaN or infinite values, the first in row 1 (nan)"),
    ],
)
def test_values_that_are_no_finite_numbers(tmp_path: Path, values: Any, found: str) -> None:
    good(tmp_path / "a.parquet", y=pa.array(values if isinstance(values, pa.Array) else list(values)))

    way = ", or let data.missing say how they are filled" if "(nan)" in found else ""
    assert refusal(tmp_path) == f"shard {tmp_path}/a.parquet: column 'y' has {found}; fill or drop them{way}"


def test_a_bad_value_of_a_covariate_in_a_later_shard(tmp_path: Path) -> None:
    good(tmp_path / "a.parquet", x=[1.0, 2.0, 3.0])
    good(tmp_path / "b.parquet", x=[1.0, 2.0, float("nan")])

    assert refusal(tmp_path, Columns("t", None, ("y",), ("x",))) == (
        f"shard {tmp_path}/b.parquet: column 'x' has 1 missing, NaN or infinite values, "
        "the first in row 2 (nan); fill or drop them, or let data.missing say how they are filled"
    )


# Times and ids


@pytest.mark.parametrize(
    ("times", "sentence"),
    [
        (
            ["2024-01-01", "soon", "later"],
            (
                "column 't': 2 timestamps cannot be read, the first in row 1 ('soon'); "
                "write them as 2024-01-31 14:00:00"
            ),
        ),
        (
            ["2024-01-01", "2024-02-30", "2024-03-01"],
            (
                "column 't': 1 timestamps cannot be read, the first in row 1 ('2024-02-30'); "
                "write them as 2024-01-31 14:00:00"
            ),
        ),
        (
            ["2024-01-01", "2024-02-01", "2324-03-01"],
            "column 't' has times outside the years 1678 to 2261",
        ),
        (["2024-01-01", None, "2024-03-01"], "column 't' has 1 rows without a time"),
        (pa.array([None, None, 1], pa.timestamp("ns")), "column 't' has 2 rows without a time"),
        (pa.array([None, 1, 2]), "column 't' has 1 rows without a time"),
        ([1.5, 2.5, 3.5], "column 't' is double; a time is a timestamp, a date or an integer"),
        ([True, False, True], "column 't' is bool; a time is a timestamp, a date or an integer"),
        (
            pa.array([0, 1, 10**12], pa.timestamp("s")),
            "column 't' has times outside the years 1678 to 2261",
        ),
        (pa.array([0, 1, 10**6], pa.date32()), "column 't' has times outside the years 1678 to 2261"),
        (
            pa.array([0, 1, -(2**63)], pa.timestamp("ns")),
            "column 't' has times outside the years 1678 to 2261",
        ),
        (
            pa.array([0, 1, 2**63 - 1], pa.timestamp("ns")),
            "column 't' has times outside the years 1678 to 2261",
        ),
        (
            pa.array([0, 1, 2**64 - 1], pa.uint64()),
            "column 't' has whole numbers of 9223372036854775808 and above",
        ),
    ],
)
def test_times_that_cannot_be_read(tmp_path: Path, times: Any, sentence: str) -> None:
    shard = good(tmp_path / "a.parquet", t=times)

    assert refusal(tmp_path) == f"shard {shard}: {sentence}"


@pytest.mark.parametrize(
    ("ids", "sentence"),
    [
        (["a", None, None], "column 'id' has 2 rows without a series id"),
        (pa.array([1, None, 2]), "column 'id' has 1 rows without a series id"),
        (pa.array(["a", None, "b"]).dictionary_encode(), "column 'id' has 1 rows without a series id"),
        ([1.0, 2.0, 3.0], "column 'id' is double; a series id is a string or an integer"),
        (
            pa.array([0, 1, 2**64 - 1], pa.uint64()),
            "column 'id' has whole numbers of 9223372036854775808 and above",
        ),
        (HOURS, "column 'id' is timestamp[ns]; a series id is a string or an integer"),
    ],
)
def test_ids_that_cannot_be_read(tmp_path: Path, ids: Any, sentence: str) -> None:
    shard = good(tmp_path / "a.parquet", id=ids)

    assert refusal(tmp_path, MANY) == f"shard {shard}: {sentence}"


def test_a_time_twice_within_a_shard(tmp_path: Path) -> None:
    good(tmp_path / "a.parquet")
    later = HOURS + pd.Timedelta("1D")
    shard = good(tmp_path / "b.parquet", t=later[[0, 0, 0]])

    assert refusal(tmp_path) == (
        f"shard {shard}: column 't' has 2 duplicate times, the first 2024-01-02 00:00:00; keep one row "
        "for each; if the shards hold several series, name their column in data.series"
    )


def test_a_time_twice_in_two_shards(tmp_path: Path) -> None:
    good(tmp_path / "a.parquet", t=[3, 4, 5])
    shard = good(tmp_path / "b.parquet", t=[7, 5, 6])

    assert refusal(tmp_path) == (
        f"shard {shard}: column 't' has 1 duplicate times, the first 5; keep one row "
        "for each; if the shards hold several series, name their column in data.series"
    )


def test_a_time_twice_in_one_of_several_series(tmp_path: Path) -> None:
    good(tmp_path / "a.parquet", id=["a", "a", "b"])
    shard = good(tmp_path / "b.parquet", id=["b", "c", "b"])

    assert refusal(tmp_path, MANY) == (
        f"shard {shard}: column 't' has 1 duplicate times, the first 2024-01-01 02:00:00 of series 'b'; "
        "keep one row for each"
    )


@pytest.mark.parametrize("together", [True, False])
def test_times_with_and_without_a_zone(tmp_path: Path, together: bool) -> None:  # noqa: FBT001
    zoned = ["2024-01-01T00:00Z", "2024-01-01T02:00:00+01:00", "2024-01-01 03:00-0200"]
    plain = ["2024-01-02 00:00", "2024-01-03", "2024-01-04T12:00:00"]
    if together:
        first = last = good(tmp_path / "a.parquet", t=[*zoned, *plain], y=range(6))
    else:
        first, last = good(tmp_path / "a.parquet", t=zoned), good(tmp_path / "b.parquet", t=plain)

    assert refusal(tmp_path) == (
        f"shard {first}: column 't' has times with a time zone, and shard {last} has some without; "
        "write all of them in one way"
    )
