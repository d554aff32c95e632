"""Finding the files that an import is to read, all of one kind."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from jobs.errors import JobError

Kind = Literal["CSV", "JSON lines", "Feather", "Parquet"]

_SUFFIXES: dict[str, Kind] = {
    ".csv": "CSV",
    ".csv.gz": "CSV",
    ".jsonl": "JSON lines",
    ".jsonl.gz": "JSON lines",
    ".ndjson": "JSON lines",
    ".ndjson.gz": "JSON lines",
    ".feather": "Feather",
    ".arrow": "Feather",
    ".ipc": "Feather",
    ".parquet": "Parquet",
    ".parq": "Parquet",
    ".pq": "Parquet",
}
_NAMED: dict[str, Kind] = {".json": "JSON lines", ".json.gz": "JSON lines"}  # in a folder it is anything
_KINDS = "CSV, JSON lines, Feather or Parquet"


def find_files(sources: Sequence[str], apart: str) -> tuple[Kind, list[str]]:
    """The files that paths, folders and globs name, each once, and their kind; hidden ones are left out.

    Args:
        sources: what a user typed.
        apart: a folder whose files are not meant: what an earlier import wrote.

    Raises:
        JobError: one of the sources names none, or they are of several kinds.
    """
    files: list[str] = []
    for source in sources:
        path = Path(source)
        if path.is_dir():
            found = _in_folder(path, apart)
            if not found:
                raise JobError(
                    f"{source}: no {_KINDS} files in this folder; name the files or another folder"
                )
        elif path.exists():
            found = [source]
        else:
            found = [name for name in glob.glob(source, recursive=True) if Path(name).is_file()]  # noqa: PTH207
            if not found:
                raise JobError(f"{source}: does not exist; give a {_KINDS} file, a folder of them or a glob")
        files.extend(sorted(found))
    files = list(dict.fromkeys(files))
    other = next((file for file in files if _kind(file) != _kind(files[0])), None)
    if other is not None:
        raise JobError(
            f"{other}: {_kind(other)}, and {files[0]} is {_kind(files[0])}; import one kind at a time"
        )
    return _kind(files[0]), files


def _in_folder(folder: Path, apart: str) -> list[str]:
    within = folder.absolute().is_relative_to(apart)  # shards may be divided anew in their own place
    found = [file.relative_to(folder) for file in folder.rglob("*")]
    found = [
        file
        for file in found
        if _meant(file) and (within or not (folder.absolute() / file).is_relative_to(apart))
    ]
    column = next((part for file in found for part in file.parts[:-1] if "=" in part), None)
    if column is not None:
        raise JobError(
            f"{folder}: folders such as {column} hold a column in their names, which an import does not "
            "read; a job reads them as they are if they hold Parquet (data.path)"
        )
    return [str(folder / file) for file in found]


def _meant(path: Path) -> bool:
    """Whether a file that lies in a folder is one to read, by its name."""
    hidden = any(part.startswith(".") for part in path.parts)
    return path.name.lower().endswith(tuple(_SUFFIXES)) and not hidden


def _kind(file: str) -> Kind:
    """By its name; what has none that is known is CSV."""
    known = (_SUFFIXES | _NAMED).items()
    return next((kind for suffix, kind in known if file.lower().endswith(suffix)), "CSV")
