"""What the tests of imports share: files in, shards or a sentence out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs as pafs

from jobs.errors import JobError
from jobs.importing import import_files

LOCAL = pafs.LocalFileSystem()
GOOD = "date,id,OT\n2024-01-01,a,1.5\n2024-01-02,a,2\n"


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8", newline="")
    return str(path)


def imported(tmp_path: Path, text: str, *, name: str = "a.csv", **options: Any) -> pa.Table:
    """What comes of one file with this text."""
    return imported_from(tmp_path, write(tmp_path / name, text), **options)


def imported_from(tmp_path: Path, *sources: Path | str, **options: Any) -> pa.Table:
    """What comes of these files, in the order of the shards."""
    import_files([str(source) for source in sources], str(tmp_path / "out"), LOCAL, **options)
    return pq.read_table(tmp_path / "out")


def refusal(tmp_path: Path, *texts: str, suffix: str = "csv", **options: Any) -> str:
    """The sentence with which files of these texts are refused, as ``refusal_of`` gives it."""
    files = [write(tmp_path / f"{name}.{suffix}", text) for name, text in zip("abc", texts, strict=False)]
    return refusal_of(tmp_path, *files, **options)


def refusal_of(tmp_path: Path, *sources: Path | str, **options: Any) -> str:
    """The sentence with which these are refused, less the folder's name; nothing is left there."""
    before = sorted(tmp_path.iterdir())
    with pytest.raises(JobError) as error:
        import_files([str(source) for source in sources], str(tmp_path / "deep" / "out"), LOCAL, **options)
    assert sorted(tmp_path.iterdir()) == before
    return str(error.value).replace(f"{tmp_path}/", "")


def rows_of_shards(tmp_path: Path) -> list[int]:
    """How many rows each shard has, in their order."""
    return [pq.ParquetFile(path).metadata.num_rows for path in sorted((tmp_path / "out").iterdir())]
