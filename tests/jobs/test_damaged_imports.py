"""Damaged files of every kind: an import or a sentence that names the file, never a traceback."""

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
from hypothesis import HealthCheck, given, settings

from jobs.errors import JobError
from jobs.importing import import_files
from tests.jobs.csvs import LOCAL

FRAME = pd.DataFrame(
    {
        "t": pd.date_range("2024-01-01", periods=40, freq="h").astype(str),
        "id": np.repeat(["a", "ß"], 20),
        "y": np.random.default_rng(3).normal(size=40),
    }
)
TABLE = pa.Table.from_pandas(FRAME, preserve_index=False)


def written(name: str) -> bytes:
    """A good file of this kind."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        if name.endswith(".parquet"):
            pq.write_table(TABLE.append_column("c", TABLE["id"].dictionary_encode()), path)
        elif name.endswith(".jsonl"):
            FRAME.to_json(path, orient="records", lines=True, force_ascii=False)
        elif name == "rows.csv":
            FRAME[["id", "y"]].drop_duplicates("id").to_csv(path, index=False)
        elif name.endswith(".csv"):
            FRAME.to_csv(path, index=False)
        else:
            compression = "uncompressed" if name.endswith(".arrow") else "zstd"
            pa_feather.write_feather(TABLE, path, compression=compression)
        return path.read_bytes()


KINDS: dict[str, dict[str, Any]] = {
    "a.csv": {"series": "id"},
    "rows.csv": {"wide": "rows"},
    "a.jsonl": {"series": "id"},
    "a.feather": {"series": "id"},
    "a.arrow": {"series": "id"},
    "a.parquet": {"series": "id"},
}


@pytest.fixture(scope="module", params=KINDS)
def good(request: pytest.FixtureRequest) -> tuple[str, bytes]:
    content = written(request.param)
    assert imports(request.param, content)
    return request.param, content


def imports(name: str, content: bytes) -> bool:
    """Whether it is imported; if not, a sentence names the file and nothing is left."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(content)
        try:
            import_files([f"{folder}/{name}"], f"{folder}/out", LOCAL, **KINDS[name])
        except JobError as error:
            sentence = str(error)
        else:
            return True
        assert f"{folder}/{name}: " in sentence
        assert "\n" not in sentence
        assert [path.name for path in Path(folder).iterdir()] == [name]
        return False


@settings(
    deadline=None,
    max_examples=200,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_files_with_other_bytes_are_imported_or_refused(good: tuple[str, bytes], data: st.DataObject) -> None:
    name, content = good
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))

    imports(name, bytes(damaged))


@pytest.mark.parametrize("name", ["a.feather", "a.arrow", "a.parquet"])
def test_a_file_without_its_end_is_refused_wherever_it_was_cut(name: str) -> None:
    content = written(name)

    for kept in range(0, len(content), max(len(content) // 50, 1)):
        assert not imports(name, content[:kept])
