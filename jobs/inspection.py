"""Reading data to find all that is wrong with it, where a sweep stops at the first thing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow import fs as pafs

from jobs.assembly import Assembly
from jobs.errors import JobError
from jobs.panel import Indices, Panel, map_arrays
from jobs.pieces import Piece
from jobs.problems import Problem, Severity
from jobs.scan import Scan
from jobs.shardfile import whole_file
from jobs.shardvalues import numbers, read_ids, read_times, zones
from jobs.source import Source

_READERS = 8  # of footers, beside each other


@dataclass
class Tally:
    """How often a column has something wrong, and where first."""

    rows: int = 0
    shards: set[str] = field(default_factory=set)
    first: str = ""

    def add(self, shard: str, rows: int) -> None:
        """Count some rows of a shard."""
        if rows:
            self.rows += rows
            self.first = min(self.first or shard, shard)
            self.shards.add(shard)

    def where(self) -> str:
        """In how many shards, and the first of them."""
        return f"in {len(self.shards):,} shard{'s' * (len(self.shards) > 1)}, the first {self.first}"


@dataclass
class Inspection:
    """What was found in the shards of a source.

    Attributes:
        problems: in the order in which they were found.
        missing, infinite: by column.
        rows: that were read.
        panel: all rows that can be read, with NaN for what is missing or infinite; None if none can.
    """

    problems: list[Problem] = field(default_factory=list)
    missing: dict[str, Tally] = field(default_factory=dict)
    infinite: dict[str, Tally] = field(default_factory=dict)
    rows: int = 0
    panel: Panel | None = None

    def say(self, kind: str, said: str, **where: Any) -> None:
        """Something that a run refuses."""
        self.problems.append(Problem("error", kind, said, **where))


def inspect(
    source: Source, folder: Path, progress: Callable[[str, int, float], None] | None = None
) -> Inspection:
    """Read every shard that can be read, and say what is wrong with each.

    Args:
        source: the shards, and what is to be read of them.
        folder: is made, for the panel's files.
        progress: called with ``read``, the rows so far and the share of the shards.

    Raises:
        JobError: there is no room for it.
    """
    folder.mkdir(parents=True)
    found = Inspection()
    scan = _usual(source, found)
    if scan is None:
        found.say("empty", "no shard can be read")
        return found
    with Assembly(folder, len(source.columns.numbers)) as assembly:
        for number, piece in _pieces(scan, found):
            assembly.add(piece)
            found.rows = assembly.count
            if progress is not None:
                progress("read", found.rows, number / len(scan.source.listing.shards))
        if assembly.count:
            ids, duplicates = assembly.finish()
            if duplicates is not None:
                whose = "" if duplicates.series is None else f" of series {duplicates.series!r}"
                said = f"{duplicates.count:,} rows have a time{whose} that another row has; keep one for each"
                found.say("duplicates", said, series=duplicates.series, count=duplicates.count)
    _check_zones(scan, found)
    _say_missing(source, found)
    if not assembly.count:
        found.say("empty", "no row can be read")
        return found
    found.panel = Panel(
        columns=source.columns.numbers,
        targets=len(source.columns.target),
        series=ids,
        time_type=scan.time_type,
        **map_arrays(folder),
    )
    return found


def _usual(source: Source, found: Inspection) -> Scan | None:
    """A scan of the shards that can be opened, in the schema that most have; None if none can be used.

    The columns that are read decide; a shard that has all of them goes before one that has not.
    """
    schemas: dict[str, pa.Schema] = {}
    with ThreadPoolExecutor(_READERS) as pool:
        tries = pool.map(partial(_schema, source.filesystem), source.listing.paths)
        for shard, schema in zip(source.listing.paths, tries, strict=True):
            if isinstance(schema, JobError):
                found.say("unreadable", str(schema), shard=shard)
            else:
                schemas[shard] = schema
    alike = Counter(_types(schema, source.columns.names) for schema in schemas.values())
    shards = {shard.path: shard for shard in source.listing.shards}
    for types, _ in sorted(alike.items(), key=lambda pair: (pair[0].count(None), -pair[1])):
        first = next(
            path for path, schema in schemas.items() if _types(schema, source.columns.names) == types
        )
        order = [shards[first], *(shards[path] for path in schemas if path != first)]
        listing = replace(source.listing, shards=tuple(order))
        try:
            return Scan.of(replace(source, listing=listing))
        except JobError as error:
            found.say("schema", str(error), shard=first)
    return None


def _schema(filesystem: pafs.FileSystem, shard: str) -> pa.Schema | JobError:
    try:
        with whole_file(filesystem, shard):
            return ds.ParquetFileFormat().make_fragment(shard, filesystem).physical_schema
    except JobError as error:
        return error


def _types(schema: pa.Schema, names: tuple[str, ...]) -> tuple[str | None, ...]:
    return tuple(str(schema.field(name).type) if name in schema.names else None for name in names)


def _pieces(scan: Scan, found: Inspection) -> Iterator[tuple[int, Piece]]:
    """All pieces that can be read, with their shard's number; what cannot be is noted, and its shard left."""
    drifts: dict[tuple[str, str], Tally] = {}
    for number, fragment in enumerate(scan.dataset.get_fragments(filter=scan.wanted)):
        shard = fragment.path
        try:
            scan.check_schema(shard, scan.schema_of(fragment))
        except JobError as error:
            said = str(error).removeprefix(f"shard {shard}: ")
            drifts.setdefault(("schema", said), Tally()).add(shard, 1)
            continue
        try:
            for batch in scan.batches(fragment, list(scan.source.columns.names)):
                if not batch.num_rows:
                    continue
                yield number, _piece(scan, shard, batch, found)
        except JobError as error:
            found.say("unreadable", str(error), shard=shard)
    for (kind, said), tally in drifts.items():
        found.say(kind, f"{tally.where()}: {said}", shard=tally.first, count=len(tally.shards))


def _piece(scan: Scan, shard: str, batch: pa.RecordBatch, found: Inspection) -> Piece:
    columns = scan.source.columns
    times = read_times(shard, batch.column(columns.time), columns.time)
    for zoned in zones(batch.column(columns.time)):
        scan.zones.setdefault(zoned, shard)
    rows = np.empty((batch.num_rows, len(columns.numbers)), np.float32)
    for index, name in enumerate(columns.numbers):
        with np.errstate(over="ignore"):
            values = numbers(shard, name, batch.column(name)).astype(np.float32)
        infinite = np.isinf(values)
        found.infinite.setdefault(name, Tally()).add(shard, int(infinite.sum()))
        found.missing.setdefault(name, Tally()).add(shard, int(np.isnan(values).sum()))
        rows[:, index] = np.where(infinite, np.nan, values)
    ids = None if columns.series is None else read_ids(shard, batch.column(columns.series), columns.series)
    return Piece.of(rows, times, ids)


def _check_zones(scan: Scan, found: Inspection) -> None:
    try:
        scan.check_zones()
    except JobError as error:
        found.say("zones", str(error))


def _say_missing(source: Source, found: Inspection) -> None:
    for name, tally in found.infinite.items():
        if tally.rows:
            said = f"column {name!r} has {tally.rows:,} infinite or too large values {tally.where()}"
            found.say("infinite", said, column=name, shard=tally.first, count=tally.rows)
    for name, tally in found.missing.items():
        if tally.rows:
            said = f"column {name!r} has {tally.rows:,} missing values {tally.where()}"
            filled = source.columns.missing != "error"
            severity: Severity = "warning" if filled else "error"
            way = f"; data.missing: {source.columns.missing} fills them" if filled else "; see data.missing"
            found.problems.append(
                Problem(severity, "missing", said + way, name, None, tally.first, tally.rows)
            )


def lengths_of(panel: Panel) -> dict[str, int]:
    """The shortest, the median and the longest series' steps."""
    lengths: Indices = panel.lengths()
    return {"least": int(lengths.min()), "median": int(np.median(lengths)), "most": int(lengths.max())}
