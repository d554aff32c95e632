"""Parquet shards become a panel's files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from jobs.assembly import Assembly, Duplicates, writing
from jobs.clock import known_zone, zone_of
from jobs.completion import complete
from jobs.errors import JobError
from jobs.panel import Panel, map_arrays
from jobs.scan import Scan
from jobs.source import Columns, Source
from jobs.statics import Statics


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
    check_times(columns, scan.time_type, paths[0])
    ids, statics = _assemble(scan, folder)
    source.check_unchanged()
    panel = Panel(
        columns=columns.numbers,
        targets=len(columns.target),
        series=ids,
        time_type=scan.time_type,
        statics=statics,
        folder=folder,
        **map_arrays(folder),
    )
    with writing(folder):
        complete(panel, columns, source.path, folder).seal(folder)
    pa.default_memory_pool().release_unused()


def check_times(columns: Columns, time_type: str, shard: str) -> None:
    """See that what is asked of times can be asked of those in the shards.

    Raises:
        JobError: whole numbers should have a calendar or a frequency in hours, or a zone is unknown.
    """
    where, whole, zone = f"shard {shard}: column {columns.time!r}", time_type == "int64", zone_of(time_type)
    if whole and columns.calendar:
        raise JobError(f"{where} holds whole numbers, which have no calendar; take it out of data.future")
    if columns.frequency is not None and whole != isinstance(columns.frequency, int):
        found, needs = (
            ("whole numbers", "a whole number") if whole else ("times", "a step such as 15min or 1h")
        )
        raise JobError(f"{where} holds {found}, data.frequency is {columns.frequency!r}; write {needs}")
    if zone and not known_zone(zone):
        raise JobError(f"{where} names the time zone {zone!r}, which is unknown; write it with one that is")


def _assemble(scan: Scan, folder: Path) -> tuple[tuple[str | int | None, ...], tuple[str, ...]]:
    """Leave all rows in order in the folder, and what is static; the series' ids and the static features."""
    columns, paths = scan.source.columns, scan.source.listing.paths
    ends: list[int] = []  # of each shard's rows, as far as there are any
    statics = Statics(columns)
    with Assembly(folder, len(columns.numbers)) as assembly:
        for shard, piece in scan.pieces():
            ends += [assembly.count] * (shard - len(ends))
            numbers = assembly.add(piece)
            if columns.static:
                statics.add(paths[shard], piece, numbers)
        ends += [assembly.count] * (len(paths) - len(ends))
        scan.check_zones()
        if not assembly.count:
            where = "; none fulfils data.where" if columns.where else ""
            raise JobError(f"{paths[0]}: the data has no rows{where}")
        ids, duplicates = assembly.finish()
    if duplicates is not None:
        shard = int(np.searchsorted(ends, duplicates.row, side="right"))
        raise _refusal(duplicates, paths[shard], columns, scan.time_type)
    if not columns.static:
        return ids, ()
    names, static = statics.finish(assembly.numbers(ids))
    with writing(folder):
        np.save(folder / "static.npy", static)
    return ids, names


def _refusal(found: Duplicates, shard: str, columns: Columns, time_type: str) -> JobError:
    when = found.time if time_type == "int64" else pd.Timestamp(found.time)
    whose = "" if columns.series is None else f" of series {found.series!r}"
    hint = "" if columns.series else "; if the shards hold several series, name their column in data.series"
    return JobError(
        f"shard {shard}: column {columns.time!r} has {found.count} duplicate times, the first {when}{whose}; "
        f"keep one row for each{hint}"
    )
