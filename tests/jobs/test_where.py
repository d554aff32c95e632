"""Conditions: read from a job file, and turned into a filter of the column's own type."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from jobs.errors import JobError
from jobs.jobfile import dump_job, parse_job
from jobs.where import row_filter

DAYS = pa.array(["2024-01-01", "2024-01-02", "2024-01-03"])
TABLE = pa.table(
    {
        "n": pa.array([1, 2, 3], pa.int16()),
        "f": [0.5, 1.5, None],
        "s": ["a", "b", "c"],
        "d": pa.array(["a", "b", "b"]).dictionary_encode(),
        "flag": [True, False, True],
        "t": DAYS.cast(pa.timestamp("us")),
        "z": DAYS.cast(pa.timestamp("s")).cast(pa.timestamp("s", "Europe/Berlin")),
        "day": DAYS.cast(pa.date32()),
        "price": pa.array([1, 2, 3], pa.decimal128(10, 2)),
    }
)


def parsed(where: str) -> Any:
    data = f"{{path: x, time: t, target: y, where: {where}}}"
    job = parse_job(f"name: a\ndata: {data}\nwindow: {{horizon: 1}}", source="job.yaml")
    assert parse_job(dump_job(job), source="spec.yaml") == job
    return job.data.where


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ("[[n, '=', 2]]", [2]),
        ("[[n, '!=', 2]]", [1, 3]),
        ("[[n, '>', 1.5]]", [2, 3]),
        ("[[n, in, [1, 3, 9]]]", [1, 3]),
        ("[[n, not in, [1, 3]]]", [2]),
        ("[[f, '<', 1]]", [1]),
        ("[[s, '>=', b]]", [2, 3]),
        ("[[s, in, [a, c]]]", [1, 3]),
        ("[[d, '==', b]]", [2, 3]),
        ("[[d, not in, [b]]]", [1]),
        ("[[flag, '=', true]]", [1, 3]),
        ("[[t, '>', 2024-01-01]]", [2, 3]),
        ("[[t, '<=', 2024-01-01 23:59]]", [1]),
        ("[[z, '>=', 2024-01-02 01:00]]", [2, 3]),  # the clock in Berlin
        ("[[z, '>=', '2024-01-02T00:00:00Z']]", [2, 3]),
        ("[[day, '<', 2024-01-03]]", [1, 2]),
        ("[[price, '<=', 2]]", [1, 2]),
        ("[[n, '>', 1], [s, '!=', c]]", [2]),
        ("[]", [1, 2, 3]),
    ],
)
def test_conditions_choose_rows(where: str, rows: list[int]) -> None:
    expression = row_filter(parsed(where), TABLE.schema, "a.parquet")

    assert ds.dataset(TABLE).to_table(filter=expression)["n"].to_pylist() == rows


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ("{n: 1}", "data.where: a list of conditions, such as [[store, in, [1, 2]]]; found {'n': 1}"),
        (
            "[n, '=', 1]",
            "data.where: a list of conditions, such as [[store, in, [1, 2]]]; found ['n', '=', 1]",
        ),
        ("[[n, 1]]", "data.where.0: a condition is [column, operator, value], such as [store, in, [1, 2]]; "),
        ("[[n, like, 1]]", "data.where.0: no operator 'like'; there are =, ==, !=, <, <=, >, >=, in, not in"),
        ("[[n, in, 1]]", "data.where.0: [n, in, …] takes a list of values, found 1"),
        ("[[n, '<', [1]]]", "data.where.0: [n, <, …] takes one value, found [1]"),
        ("[[n, '<', null]]", "data.where.0: a column is compared with a number, a text, a date, true or"),
        ("[[n, '<', .nan]]", "data.where.0: a column is compared with a number, a text, a date, true or"),
    ],
)
def test_what_is_no_condition(where: str, sentence: str) -> None:
    with pytest.raises(JobError) as refused:
        parsed(where)
    assert str(refused.value).startswith(f"job.yaml: {sentence}")


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        (
            "[[stor, '=', 1]]",
            "data.where: shard a.parquet has no column 'stor'; it has store; did you mean store?",
        ),
        ("[[store, '=', x]]", "data.where: column 'store' is int64 and cannot be compared with 'x'"),
    ],
)
def test_a_condition_that_does_not_fit_the_shards(where: str, sentence: str) -> None:
    with pytest.raises(JobError) as refused:
        row_filter(parsed(where), pa.schema({"store": pa.int64()}), "a.parquet")
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    ("name", "value"), [("t", "soon"), ("day", "x"), ("f", "x"), ("s", 1), ("flag", "yes"), ("n", "2")]
)
def test_a_value_of_another_kind(name: str, value: Any) -> None:
    with pytest.raises(JobError, match=f"column '{name}' is .* and cannot be compared with"):
        row_filter(((name, "=", value),), TABLE.schema, "a.parquet")
