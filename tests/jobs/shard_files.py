"""Writing and reading small Parquet shards, for the tests of shards."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs as pafs

from jobs.errors import JobError
from jobs.panel import Panel
from jobs.shards import build_panel
from jobs.source import Columns, Source

LOCAL = pafs.LocalFileSystem()
ONE = Columns(time="t", series=None, target=("y",), past=())
MANY = Columns(time="t", series="id", target=("y",), past=())
HOURS = pd.date_range("2024-01-01", periods=3, freq="h", unit="ns")


def write(path: Path, **columns: Any) -> Path:
    """A shard with these columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def good(path: Path, **changes: Any) -> Path:
    """A shard of three hours, or one with something else in it."""
    return write(path, **({"t": HOURS, "y": [1.0, 2.0, 3.0]} | changes))


def local(path: str) -> tuple[pafs.FileSystem, str]:
    """Where shards lie that are written here; ``test_shards_in_buckets`` puts them elsewhere."""
    return LOCAL, path


def read(path: Path | str, columns: Columns = ONE) -> Panel:
    """The panel of these shards, which outlives the files that it is mapped from."""
    filesystem, place = local(str(path))
    with tempfile.TemporaryDirectory() as folder:
        build_panel(Source.find(filesystem, place, columns), Path(folder) / "panel")
        return Panel.load(Path(folder) / "panel")


def refusal(path: Path | str, columns: Columns = ONE) -> str:
    """The sentence with which these shards are refused."""
    with pytest.raises(JobError) as error:
        read(path, columns)
    return str(error.value)
