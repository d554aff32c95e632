"""Reading Parquet shards into a panel, and saying precisely which shard, column or row is at fault."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs as pafs

from jobs.assembly import Assembly, Duplicates
from jobs.errors import JobError
from jobs.panel import Indices, Panel, Rows, map_arrays
from jobs.shardvalues import numeric, read_ids, read_time_type, read_times, read_values

_SUFFIXES = (".parquet", ".parq", ".pq")
_PIECE = 1 << 17  # rows that are read at a time
_BUFFER = 1 << 22  # bytes of each column that are read at a time, however large its file's row groups are


@dataclass(frozen=True)
class Columns:
    """Which columns are read, and as what."""

    time: str
    series: str | None
    target: tuple[str, ...]
    past: tuple[str, ...]

    @property
    def numbers(self) -> tuple[str, ...]:
        """The numeric columns in the order of the panel."""
        return (*self.target, *self.past)

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that say which row it is."""
        return (self.time,) if self.series is None else (self.series, self.time)


@dataclass(frozen=True)
class _First:
    """The shard whose schema all the others must have."""

    shard: str
    schema: pa.Schema


def find_shards(filesystem: pafs.FileSystem, path: str) -> list[str]:
    """The Parquet files that ``path`` (a file, a folder or a glob) names, sorted.

    Raises:
        JobError: nothing is there, or nothing that is a Parquet file.
    """
    info = filesystem.get_file_info(path.rstrip("/") or path)
    if info.type == pafs.FileType.NotFound and any(wild in path for wild in "*?["):
        return _matching(filesystem, path)
    if info.type == pafs.FileType.NotFound:
        raise JobError(f"data.path: {path} does not exist; give a Parquet file, a folder of them or a glob")
    if info.type == pafs.FileType.File:
        return [path]
    names = [f.path for f in _files(filesystem, path)]
    shards = sorted(name for name in names if name.endswith(_SUFFIXES))
    if not shards:
        raise JobError(
            f"data.path: no Parquet files (*.parquet) in {path}, which holds {len(names)} other files; "
            "for CSV run: recur data import"
        )
    return shards


def _matching(filesystem: pafs.FileSystem, pattern: str) -> list[str]:
    base = pattern[: min(pattern.find(wild) for wild in "*?[" if wild in pattern)].rpartition("/")[0] or "/"
    info = filesystem.get_file_info(base)
    found = [f.path for f in _files(filesystem, base)] if info.type == pafs.FileType.Directory else []
    shards = sorted(name for name in found if _matches(name.split("/"), pattern.split("/")))
    if not shards:
        raise JobError(f"data.path: no file matches {pattern}")
    return shards


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
    return any(part.startswith((".", "_")) for part in path.split("/"))


def read_panel(filesystem: pafs.FileSystem, path: str, columns: Columns, folder: Path) -> Panel:
    """Read every shard under ``path`` into one panel, which lies in ``folder`` and is mapped from there.

    No more than a piece of a shard is in memory at a time.  ``folder`` is made; what is in it after an error
    is the caller's to remove.  A panel that is mapped outlives its files.

    Raises:
        JobError: names the shard and the column, what was found and what to do; or there is no room.
    """
    shards = find_shards(filesystem, path)
    reader = _Reader(filesystem, columns)
    ends = []
    with Assembly(folder, len(columns.numbers)) as assembly:
        for shard in shards:
            for part in reader.parts(shard):
                assembly.add(*part)
            ends.append(assembly.count)
        if not assembly.count:
            raise JobError(f"{shards[0]}: the data has no rows")
        ids, duplicates = assembly.finish()
    panel = Panel(
        columns=columns.numbers,
        targets=len(columns.target),
        series=ids,
        time_type=reader.time_type(),
        **map_arrays(folder),
    )
    if duplicates is not None:
        shard = shards[int(np.searchsorted(ends, duplicates.row, side="right"))]
        raise _refusal(duplicates, shard, columns, panel.time_type)
    panel.seal(folder)
    pa.default_memory_pool().release_unused()
    return panel


class _Reader:
    """Reads one shard after the other, a piece at a time."""

    def __init__(self, filesystem: pafs.FileSystem, columns: Columns) -> None:
        self._filesystem, self._columns = filesystem, columns
        self._first: _First | None = None

    def time_type(self) -> str:
        """What a panel calls the times of the shards read."""
        assert self._first is not None, "a shard was read"  # noqa: S101
        return read_time_type(self._first.schema.field(self._columns.time).type)

    def parts(self, shard: str) -> Iterator[tuple[Rows, Indices, pa.Array | None]]:
        """Values, times and series' ids of the shard's rows, in its own order."""
        for table in self._tables(shard):
            try:
                part = _part(shard, table, self._columns)
            except JobError:
                self._check_whole(shard)
                raise
            yield part

    def _tables(self, shard: str) -> Iterator[pa.Table]:
        wanted = [*self._columns.keys, *self._columns.numbers]
        with _whole_file(shard), self._filesystem.open_input_file(shard) as source:
            file = pq.ParquetFile(source, buffer_size=_BUFFER)
            _check_schema(shard, file.schema_arrow, self._columns, self._first)
            self._first = self._first or _First(shard, file.schema_arrow)
            for batch in file.iter_batches(_PIECE, columns=wanted):
                yield pa.Table.from_batches([batch])

    def _check_whole(self, shard: str) -> None:
        """Find a fault again, with all of its kind in the shard and the row's number in it."""
        columns = self._columns
        with _whole_file(shard), self._filesystem.open_input_file(shard) as source:
            file = pq.ParquetFile(source)
            for name in (columns.time, *columns.numbers, *columns.keys[:-1]):
                column = file.read(columns=[name]).column(name)
                if name == columns.time:
                    read_times(shard, column, name)
                elif name == columns.series:
                    read_ids(shard, column.combine_chunks(), name)
                else:
                    read_values(shard, name, column)


@contextmanager
def _whole_file(shard: str) -> Iterator[None]:
    """Turn what Arrow says of a file that it cannot read into a sentence."""
    try:
        yield
    except (pa.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0][:160]
        raise JobError(
            f"shard {shard}: not a whole Parquet file ({reason}); write it again or take it away"
        ) from None


def _check_schema(shard: str, schema: pa.Schema, columns: Columns, first: _First | None) -> None:
    for name in (*columns.keys, *columns.numbers):
        if name not in schema.names:
            near = difflib.get_close_matches(name, schema.names, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise JobError(f"shard {shard}: no column {name!r}; it has {', '.join(schema.names)}{hint}")
        found = schema.field(name).type
        if first is not None and found != first.schema.field(name).type:
            raise JobError(
                f"shard {shard}: column {name!r} is {found} but {first.schema.field(name).type} "
                f"in {first.shard}; write all shards with one schema"
            )
        if name in columns.numbers and not numeric(found):
            raise JobError(f"shard {shard}: column {name!r} is {found}, not numeric; a network needs numbers")


def _part(shard: str, table: pa.Table, columns: Columns) -> tuple[Rows, Indices, pa.Array | None]:
    times = read_times(shard, table.column(columns.time), columns.time)
    rows = np.empty((table.num_rows, len(columns.numbers)), np.float32)
    for index, name in enumerate(columns.numbers):
        rows[:, index] = read_values(shard, name, table.column(name))
    series = None
    if columns.series is not None:
        series = read_ids(shard, table.column(columns.series).combine_chunks(), columns.series)
    return rows, times, series


def _refusal(found: Duplicates, shard: str, columns: Columns, time_type: str) -> JobError:
    when = found.time if time_type == "int64" else pd.Timestamp(found.time)
    whose = "" if columns.series is None else f" of series {found.series!r}"
    hint = "" if columns.series else "; if the shards hold several series, name their column in data.series"
    return JobError(
        f"shard {shard}: column {columns.time!r} has {found.count} duplicate times, the first {when}{whose}; "
        f"keep one row for each{hint}"
    )
