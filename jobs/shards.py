"""Parquet shards become a panel's files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from jobs.assembly import Assembly, Duplicates, writing
from jobs.errors import JobError
from jobs.panel import Panel, map_arrays
from jobs.scan import Scan
from jobs.source import Columns, Source


def build_panel(source: Source, folder: Path) -> None:
    """Read every shard into one panel in ``folder``, from where ``Panel.load`` maps it.

    As many shards (or row groups of large ones) are read beside each other as there are cores, and no more
    than a few pieces of each are in memory at a time.  ``folder`` is made; what is in it after an error is
    the caller's to remove.

    Raises:
        JobError: names the shard and the column, what was found and what to do; or there is no room.
    """
    columns, paths = source.columns, source.listing.paths
    scan = Scan.of(source)
    ends: list[int] = []  # of each shard's rows, as far as there are any
    with Assembly(folder, len(columns.numbers)) as assembly:
        for shard, piece in scan.pieces():
            ends += [assembly.count] * (shard - len(ends))
            assembly.add(piece)
        ends += [assembly.count] * (len(paths) - len(ends))
        scan.check_zones()
        if not assembly.count:
            where = "; none fulfils data.where" if columns.where else ""
            raise JobError(f"{paths[0]}: the data has no rows{where}")
        ids, duplicates = assembly.finish()
    if duplicates is not None:
        shard = int(np.searchsorted(ends, duplicates.row, side="right"))
        raise _refusal(duplicates, paths[shard], columns, scan.time_type)
    source.check_unchanged()
    arrays = map_arrays(folder)
    panel = Panel(
        columns=columns.numbers,
        targets=len(columns.target),
        rows=arrays["rows"],
        times=arrays["times"],
        offsets=arrays["offsets"],
        series=ids,
        time_type=scan.time_type,
    )
    with writing(folder):
        panel.seal(folder)
    pa.default_memory_pool().release_unused()


def _refusal(found: Duplicates, shard: str, columns: Columns, time_type: str) -> JobError:
    when = found.time if time_type == "int64" else pd.Timestamp(found.time)
    whose = "" if columns.series is None else f" of series {found.series!r}"
    hint = "" if columns.series else "; if the shards hold several series, name their column in data.series"
    return JobError(
        f"shard {shard}: column {columns.time!r} has {found.count} duplicate times, the first {when}{whose}; "
        f"keep one row for each{hint}"
    )
