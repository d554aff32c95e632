"""What the tests of imports share: CSV files in, shards or a sentence out."""

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


def imported(tmp_path: Path, text: str, **options: Any) -> pa.Table:
    write(tmp_path / "a.csv", text)
    import_files([str(tmp_path / "a.csv")], str(tmp_path / "out"), LOCAL, **options)
    return pq.read_table(tmp_path / "out")


def refusal(tmp_path: Path, *texts: str, **options: Any) -> str:
    """The sentence with which these files are refused, less the folder's name; nothing is left there."""
    files = [write(tmp_path / f"{name}.csv", text) for name, text in zip("abc", texts, strict=False)]
    before = sorted(tmp_path.iterdir())
    with pytest.raises(JobError) as error:
        import_files(files, str(tmp_path / "deep" / "out"), LOCAL, **options)
    assert sorted(tmp_path.iterdir()) == before
    return str(error.value).replace(f"{tmp_path}/", "")
