"""Damaged shards: a sentence or the right panel, never a traceback, a hang or other values.

A page's checksum covers its values.  What a footer says has none in the format, so that a footer with other
bytes may be a right footer of other data; of those it is asked only that they are read or refused.
"""

from __future__ import annotations

import tempfile
from base64 import b64decode, b64encode
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings

from jobs.errors import JobError
from jobs.source import Columns
from tests.jobs.shard_files import read

COLUMNS = Columns("t", "id", ("y",), ("x",))
FUZZ = settings(
    deadline=None,
    max_examples=700,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def shard(codec: str, *, dictionary: bool) -> bytes:
    """A good shard of a few row groups, each page with its checksum."""
    rng = np.random.default_rng(3)
    ids = pa.array(np.repeat(["a", "b", "c"], 40))
    times = np.tile(pd.date_range("2024-01-01", periods=40, freq="h"), 3)
    values = {"y": rng.normal(size=120), "x": rng.integers(0, 9, 120)}
    table = pa.table({"id": ids.dictionary_encode() if dictionary else ids, "t": times, **values})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression=codec, row_group_size=50, write_page_checksum=True)
    return sink.getvalue().to_pybytes()


def rich_shard(codec: str, *, dictionary: bool, whole: bool) -> bytes:
    """One with columns of all roles, on a grid with gaps unless it is ``whole``."""
    rng = np.random.default_rng(4)
    times = np.tile(pd.date_range("2024-03-30", periods=40, freq="h", tz="Europe/Berlin"), 3)
    kept = slice(None) if whole else rng.random(120) > 0.1
    y = np.where(whole | (rng.random(120) > 0.1), rng.normal(size=120), np.nan)
    kind, f = pa.array(np.repeat(["k", "l", "k"], 40)[kept]), pa.array(rng.integers(0, 9, 120)[kept])
    columns = {
        "id": np.repeat([7, 8, 9], 40)[kept],
        "t": pa.array(times[kept], pa.timestamp("us", "Europe/Berlin")),
        "y": y[kept],
        "x": pa.array(rng.random(120)[kept], pa.float32()),
        "f": f.dictionary_encode() if dictionary else f,
        "kind": kind.dictionary_encode() if dictionary else kind,
        "size": np.repeat([1, 2, 3], 40)[kept],
    }
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, compression=codec, row_group_size=50, write_page_checksum=True)
    return sink.getvalue().to_pybytes()


RICH_COLUMNS = Columns("t", "id", ("y",), ("x",), future=("f",), static=("kind", "size"), calendar=True)
RICH = [
    rich_shard("none", dictionary=True, whole=True),
    rich_shard("none", dictionary=False, whole=False),
    rich_shard("zstd", dictionary=True, whole=False),
]
GOOD = [shard("zstd", dictionary=True), shard("none", dictionary=False), shard("snappy", dictionary=False)]


def fingerprint(content: bytes, columns: Columns = COLUMNS) -> str | None:
    """That of the panel, or None where the shard, or its folder, is refused in a sentence that names it."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.parquet").write_bytes(content)
        try:
            return read(folder, columns).fingerprint()
        except JobError as error:
            sentence = str(error)
    assert (folder if columns != COLUMNS else f"{folder}/a.parquet") in sentence
    assert "\n" not in sentence
    return None


@pytest.fixture(scope="module", params=range(len(GOOD)))
def good(request: pytest.FixtureRequest) -> tuple[bytes, str]:
    content = GOOD[request.param]
    found = fingerprint(content)
    assert found is not None
    return content, found


def footer(content: bytes) -> int:
    """Where the footer begins."""
    return len(content) - 8 - int.from_bytes(content[-8:-4], "little")


@FUZZ
@given(data=st.data())
def test_pages_with_other_bytes_are_refused(good: tuple[bytes, str], data: st.DataObject) -> None:
    content, right = good
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(4, footer(content) - 1))] ^= data.draw(st.integers(1, 255))

    assert fingerprint(bytes(damaged)) in {None, right}


@FUZZ
@given(data=st.data())
def test_footers_with_other_bytes_are_read_or_refused(good: tuple[bytes, str], data: st.DataObject) -> None:
    content, _ = good
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(footer(content), len(content) - 1))] ^= data.draw(st.integers(1, 255))

    fingerprint(bytes(damaged))


@FUZZ
@given(data=st.data())
def test_shards_that_lack_bytes_or_have_more_are_refused(
    good: tuple[bytes, str], data: st.DataObject
) -> None:
    content, right = good
    begin = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(begin, len(content)))
    other = content[:begin] + data.draw(st.binary(max_size=20)) + content[end:]

    assert fingerprint(other) in {None, right}


# With everything that a job may ask for


@st.composite
def any_columns(draw: st.DrawFn) -> Columns:
    missing = draw(st.sampled_from(["error", "interpolate", "forward", "mask"]))
    return Columns(
        time="t",
        series=draw(st.sampled_from(["id", "id", "id", None])),
        target=("y",),
        past=("x",),
        future=draw(st.sampled_from([(), ("f",)])),
        static=draw(st.sampled_from([(), ("kind",), ("size", "kind")])),
        calendar=draw(st.booleans()),
        missing=missing,
        missing_limit=draw(st.sampled_from([None, None, 2])) if missing != "error" else None,
        frequency=draw(st.sampled_from([None, "1h", "45min", "1D", "W", "MS", 5])),
    )


@lru_cache(maxsize=1000)
def right_panel(number: int, columns: Columns) -> str | None:
    return fingerprint(RICH[number], columns)


def test_most_ways_to_read_the_good_shards_give_a_panel() -> None:
    for number in range(len(RICH)):
        for missing in ("interpolate", "forward", "mask"):
            for frequency in (None, "1h", "45min", "1D", "W", "MS"):
                asked = replace(RICH_COLUMNS, missing=missing, frequency=frequency)
                assert right_panel(number, asked) is not None


@FUZZ
@given(number=st.sampled_from(range(len(RICH))), columns=any_columns(), data=st.data())
def test_other_bytes_are_refused_whatever_is_read(number: int, columns: Columns, data: st.DataObject) -> None:
    damaged = bytearray(RICH[number])
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(4, footer(RICH[number]) - 1))] ^= data.draw(st.integers(1, 255))

    assert fingerprint(bytes(damaged), columns) in {None, right_panel(number, columns)}


@FUZZ
@given(number=st.sampled_from(range(len(RICH))), columns=any_columns(), data=st.data())
def test_other_footers_are_read_or_refused_whatever_is_read(
    number: int, columns: Columns, data: st.DataObject
) -> None:
    damaged = bytearray(RICH[number])
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(footer(RICH[number]), len(damaged) - 1))] ^= data.draw(
            st.integers(1, 255)
        )

    fingerprint(bytes(damaged), columns)


def test_a_zone_that_is_no_text_is_refused() -> None:
    """Only Arrow's own schema in the footer names it."""
    said = pq.read_metadata(pa.BufferReader(RICH[0])).metadata[b"ARROW:schema"]
    damaged = b64encode(b64decode(said).replace(b"Europe", b"\x85urope"))

    assert fingerprint(RICH[0].replace(said, damaged), RICH_COLUMNS) is None
