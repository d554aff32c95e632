"""Damaged shards: a sentence or the right panel, never a traceback, a hang or other values.

A page's checksum covers its values.  What a footer says has none in the format, so that a footer with other
bytes may be a right footer of other data; of those it is asked only that they are read or refused.
"""

from __future__ import annotations

import tempfile
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


GOOD = [shard("zstd", dictionary=True), shard("none", dictionary=False), shard("snappy", dictionary=False)]


def fingerprint(content: bytes) -> str | None:
    """That of the panel, or None where the shard is refused in a sentence that names it."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.parquet").write_bytes(content)
        try:
            return read(folder, COLUMNS).fingerprint()
        except JobError as error:
            sentence = str(error)
    assert f"{folder}/a.parquet" in sentence
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
