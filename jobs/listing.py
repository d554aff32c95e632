"""Finding the shards that a path names."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property

from pyarrow import fs as pafs

from jobs.errors import JobError, hint

_SUFFIXES = (".parquet", ".parq", ".pq")


@dataclass(frozen=True)
class Shard:
    """One Parquet file: its path, its size in bytes, and when it was written, in nanoseconds since 1970."""

    path: str
    size: int
    modified: int


@dataclass(frozen=True)
class Listing:
    """The shards under a path, sorted by theirs; ``base`` is the folder in which they lie, at any depth."""

    base: str
    shards: tuple[Shard, ...]

    @cached_property
    def paths(self) -> list[str]:
        """Where they are."""
        return [shard.path for shard in self.shards]


def find_shards(filesystem: pafs.FileSystem, path: str) -> Listing:
    """The Parquet files that ``path`` (a file, a folder or a glob) names.

    Raises:
        JobError: nothing is there, or nothing that is a Parquet file, or it cannot be listed.
    """
    try:
        info = filesystem.get_file_info(path.rstrip("/") or path)
        if info.type == pafs.FileType.File:
            return _listing(path.rpartition("/")[0], [info])
        if info.type == pafs.FileType.Directory:
            return _folder(filesystem, path)
        if any(wild in path for wild in "*?["):
            return _matching(filesystem, path)
    except OSError as error:
        raise JobError(f"data.path: {path} cannot be listed ({_first_line(error)}){hint(error)}") from None
    raise JobError(f"data.path: {path} does not exist; give a Parquet file, a folder of them or a glob")


def _first_line(error: OSError) -> str:
    return str(error).splitlines()[0][:300]


def _listing(base: str, files: list[pafs.FileInfo]) -> Listing:
    shards = (Shard(f.path, f.size or 0, f.mtime_ns or 0) for f in files)
    return Listing(base, tuple(sorted(shards, key=lambda shard: shard.path)))


def _folder(filesystem: pafs.FileSystem, path: str) -> Listing:
    files = _files(filesystem, path)
    shards = [f for f in files if f.path.endswith(_SUFFIXES)]
    if not shards:
        raise JobError(
            f"data.path: no Parquet files (*.parquet) in {path}, which holds {len(files)} other files; "
            "for CSV, JSON lines or Feather run: recur data import"
        )
    return _listing(path.rstrip("/"), shards)


def _matching(filesystem: pafs.FileSystem, pattern: str) -> Listing:
    base = pattern[: min(pattern.find(wild) for wild in "*?[" if wild in pattern)].rpartition("/")[0] or "/"
    info = filesystem.get_file_info(base)
    found = _files(filesystem, base) if info.type == pafs.FileType.Directory else []
    shards = [f for f in found if _matches(f.path.split("/"), pattern.split("/"))]
    if not shards:
        raise JobError(f"data.path: no file matches {pattern}")
    return _listing(base.rstrip("/"), shards)


def _files(filesystem: pafs.FileSystem, folder: str) -> list[pafs.FileInfo]:
    folder = folder.rstrip("/") or folder
    listed = filesystem.get_file_info(pafs.FileSelector(folder, recursive=True))
    files = [f for f in listed if f.type == pafs.FileType.File and not _hidden(f.path[len(folder) :])]
    # Sweeps may be stored beside the data; their own Parquet files are none of it.
    sweeps = tuple(f.path.removesuffix("spec.yaml") for f in files if f.base_name == "spec.yaml")
    return [f for f in files if not (sweeps and f.path.startswith(sweeps))]


def _matches(path: list[str], pattern: list[str]) -> bool:
    """Shell rules: a ``*`` stays within one folder's name, ``**`` stands for any number of folders."""
    if not pattern or not path:
        return not pattern and not path
    if pattern[0] == "**":
        return _matches(path, pattern[1:]) or _matches(path[1:], pattern)
    return fnmatch(path[0], pattern[0]) and _matches(path[1:], pattern[1:])


def _hidden(path: str) -> bool:
    """Whether a file, or a folder it lies in, is somebody's unfinished work or bookkeeping."""
    return any(part.startswith((".", "_")) and "=" not in part for part in path.split("/"))
