"""Reading Parquet shards into a panel, and saying precisely which shard, column or row is at fault."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import fs as pafs

from jobs.errors import JobError
from jobs.panel import Indices, Panel, Rows
from jobs.shardvalues import numeric, read_ids, read_time_type, read_times, read_values

_SUFFIXES = (".parquet", ".parq", ".pq")


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


@dataclass(frozen=True)
class _Part:
    """One shard's rows in the shard's own order."""

    shard: str
    rows: Rows
    times: Indices
    series: pa.Array | None


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


def read_panel(filesystem: pafs.FileSystem, path: str, columns: Columns) -> Panel:
    """Read every shard under ``path`` into one panel.

    Raises:
        JobError: names the shard and the column, what was found and what to do.
    """
    shards = find_shards(filesystem, path)
    parts: list[_Part] = []
    first: _First | None = None
    for shard in shards:
        table = _read_shard(filesystem, shard, columns, first)
        first = first or _First(shard, table.schema)
        parts.append(_part(shard, table, columns))
    assert first is not None, "find_shards names at least one"  # noqa: S101
    time_type = read_time_type(first.schema.field(columns.time).type)
    return _assemble(parts, columns, time_type)


def _read_shard(filesystem: pafs.FileSystem, shard: str, columns: Columns, first: _First | None) -> pa.Table:
    wanted = [*columns.keys, *columns.numbers]
    try:
        with filesystem.open_input_file(shard) as source:
            file = pq.ParquetFile(source)
            _check_schema(shard, file.schema_arrow, columns, first)
            return file.read(columns=wanted).select(wanted)
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


def _part(shard: str, table: pa.Table, columns: Columns) -> _Part:
    times = read_times(shard, table.column(columns.time), columns.time)
    rows = np.empty((table.num_rows, len(columns.numbers)), np.float32)
    for index, name in enumerate(columns.numbers):
        rows[:, index] = read_values(shard, name, table.column(name))
    series = None
    if columns.series is not None:
        series = read_ids(shard, table.column(columns.series).combine_chunks(), columns.series)
    return _Part(shard, rows, times, series)


def _assemble(parts: Sequence[_Part], columns: Columns, time_type: str) -> Panel:
    rows = np.concatenate([part.rows for part in parts])
    times = np.concatenate([part.times for part in parts])
    if not len(rows):
        raise JobError(f"{parts[0].shard}: the data has no rows")
    ids, codes = _codes(parts, len(rows))
    order = np.lexsort((times, codes))
    if not np.array_equal(order, np.arange(len(order))):
        rows, times, codes = rows[order], times[order], codes[order]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(codes, minlength=len(ids)))]).astype(np.int64)
    panel = Panel(columns.numbers, len(columns.target), rows, times, offsets, tuple(ids), time_type)
    _check_duplicates(panel, columns, order, parts)
    return panel


def _codes(parts: Sequence[_Part], count: int) -> tuple[list[Any], Indices]:
    if parts[0].series is None:
        return [None], np.zeros(count, np.int64)
    chunks = pa.chunked_array([part.series for part in parts])
    ids = pc.unique(chunks)
    ids = ids.take(pc.sort_indices(ids))
    codes = pc.index_in(chunks, value_set=ids).to_numpy()
    return ids.to_pylist(), np.asarray(codes, np.int64)


def _check_duplicates(panel: Panel, columns: Columns, order: Indices, parts: Sequence[_Part]) -> None:
    """``order`` tells which row of ``parts``, one after the other, each row of the panel was."""
    owner = np.repeat(np.arange(len(panel.series)), panel.lengths())
    same = np.flatnonzero((np.diff(panel.times) == 0) & (np.diff(owner) == 0)) + 1
    if not len(same):
        return
    bounds = np.cumsum([len(part.times) for part in parts])
    shard = parts[int(np.searchsorted(bounds, order[same[0]], side="right"))].shard
    time = int(panel.times[same[0]])
    when = time if panel.time_type == "int64" else pd.Timestamp(time)
    whose = "" if columns.series is None else f" of series {panel.series[owner[same[0]]]!r}"
    hint = "" if columns.series else "; if the shards hold several series, name their column in data.series"
    raise JobError(
        f"shard {shard}: column {columns.time!r} has {len(same)} duplicate times, the first {when}{whose}; "
        f"keep one row for each{hint}"
    )
