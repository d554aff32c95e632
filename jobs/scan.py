"""Reading shards, several beside each other, and saying precisely which shard, column or row is at fault."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from pyarrow import fs as pafs

from jobs.errors import JobError
from jobs.pieces import Piece
from jobs.pipeline import in_order
from jobs.shardfile import whole_file
from jobs.shardvalues import (
    numeric,
    read_ids,
    read_static,
    read_time_type,
    read_times,
    read_values,
    text,
    zones,
)
from jobs.source import Columns, Source
from jobs.where import row_filter

_PIECE = 1 << 17  # rows that are read at a time
_AHEAD = 8  # pieces of a shard that wait to be taken
_BUFFER = 1 << 22  # bytes of each column that are read at a time, however large its file's row groups are
_LARGE = 1 << 26  # bytes; the row groups of larger shards are read beside each other
_MOST_READERS = 8


@dataclass(frozen=True)
class Scan:
    """How the shards of a source are read: by Arrow's data sets, in the schema that the first of them has."""

    source: Source
    dataset: ds.FileSystemDataset
    first: pa.Schema
    wanted: pc.Expression | None
    zones: dict[bool, str] = field(default_factory=dict)  # whether times name one, and the first such shard

    @classmethod
    def of(cls, source: Source) -> Scan:
        """Look at the first shard, and at the names of all.

        Raises:
            JobError: it cannot be read or lacks a column, or a condition does not fit it.
        """
        filesystem, columns, paths = source.filesystem, source.columns, source.listing.paths
        with whole_file(filesystem, paths[0]):
            first = ds.ParquetFileFormat().make_fragment(paths[0], filesystem).physical_schema
            names = (name for name in first.names if name in {columns.series, *columns.static})
            texts = {name for name in names if text(first.field(name).type)}
            file_format = ds.ParquetFileFormat(
                dictionary_columns=texts,
                default_fragment_scan_options=ds.ParquetFragmentScanOptions(
                    use_buffered_stream=isinstance(filesystem, pafs.LocalFileSystem),
                    buffer_size=_BUFFER,
                    page_checksum_verification=True,  # of pages that have one, as those that we write
                    pre_buffer=not isinstance(filesystem, pafs.LocalFileSystem),
                ),
            )
            dataset = _dataset(source, file_format, first)
            wanted = row_filter(columns.where, dataset.schema, paths[0])
            scan = cls(source, dataset, first, wanted)
            scan.check_schema(paths[0], first)
        return scan

    @property
    def time_type(self) -> str:
        """What a panel calls the times of these shards.

        Raises:
            JobError: the name of their zone is damaged.
        """
        with whole_file(self.source.filesystem, self.source.listing.paths[0]):
            return read_time_type(self.dataset.schema.field(self.source.columns.time).type)

    def pieces(self) -> Iterator[tuple[int, Piece]]:
        """Each shard's rows with the shard's number, in the order of the shards and of their rows."""
        workers = min(len(os.sched_getaffinity(0)), _MOST_READERS)
        numbers = {path: number for number, path in enumerate(self.source.listing.paths)}
        parts = (
            partial(self._read, numbers[fragment.path], part)
            for fragment in self.dataset.get_fragments(filter=self.wanted)
            for part in self._parts(fragment, self.source.listing.shards[numbers[fragment.path]].size)
        )
        return in_order(parts, workers=workers, ahead=_AHEAD)

    def _parts(self, fragment: ds.ParquetFileFragment, size: int) -> Iterator[ds.ParquetFileFragment]:
        """A large shard in parts of several row groups, a small one as it is."""
        if size <= _LARGE:
            yield fragment
            return
        with whole_file(self.source.filesystem, fragment.path):
            groups = fragment.row_groups
        begin, gathered = 0, 0
        for number, group in enumerate(groups):
            gathered += group.total_byte_size
            if gathered >= _LARGE or number == len(groups) - 1:
                yield fragment.subset(row_group_ids=[each.id for each in groups[begin : number + 1]])
                begin, gathered = number + 1, 0

    def _read(self, number: int, fragment: ds.ParquetFileFragment) -> Iterator[tuple[int, Piece]]:
        columns, shard = self.source.columns, fragment.path
        self.check_schema(shard, self.schema_of(fragment))
        for batch in self.batches(fragment, list(columns.names)):
            try:
                piece = _piece(shard, batch, columns)
            except JobError:
                self._check_whole(shard)
                raise
            for zoned in zones(batch.column(columns.time)):
                self.zones.setdefault(zoned, shard)
            yield number, piece

    def check_zones(self) -> None:
        """See that of the times read, which texts may be, either all name a time zone or none does.

        Raises:
            JobError: names a shard of each kind.
        """
        if len(self.zones) > 1:
            raise JobError(
                f"shard {self.zones[True]}: column {self.source.columns.time!r} has times with a time zone, "
                f"and shard {self.zones[False]} has some without; write all of them in one way"
            )

    def schema_of(self, fragment: ds.ParquetFileFragment) -> pa.Schema:
        """A shard's own schema.

        Raises:
            JobError: the shard cannot be read.
        """
        with whole_file(self.source.filesystem, fragment.path):
            return fragment.physical_schema

    def batches(self, fragment: ds.ParquetFileFragment, names: list[str]) -> Iterator[pa.RecordBatch]:
        """The rows of a shard, or of some row groups of it, that are wanted; these columns of them.

        Raises:
            JobError: the shard cannot be read.
        """
        scanner = fragment.scanner(
            schema=self.dataset.schema,
            columns=names,
            filter=self.wanted,
            batch_size=_PIECE,
            batch_readahead=1,
            use_threads=False,  # the shards beside each other take all the cores that there are
        )
        with whole_file(self.source.filesystem, fragment.path):
            for batch in scanner.to_batches():
                if batch.num_rows:
                    yield batch

    def check_schema(self, shard: str, schema: pa.Schema) -> None:
        """See that a shard has every column that is read, and of the type that it has in the first.

        Raises:
            JobError: names the shard and the column.
        """
        columns, paths = self.source.columns, self.source.listing.paths
        inside = [name for name in self.dataset.schema.names if name not in self.first.names]  # the paths
        for name in columns.names:
            if name not in schema.names and name not in inside:
                near = difflib.get_close_matches(name, [*schema.names, *inside], n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                has = ", ".join([*schema.names, *inside])
                raise JobError(f"shard {shard}: no column {name!r}; it has {has}{hint}")
            found = (self.dataset.schema if name in inside else schema).field(name).type
            usual = self.dataset.schema.field(name).type if name in inside else self.first.field(name).type
            named = name in {columns.series, *columns.static}
            if found != usual and not (named and text(found) and text(usual)):
                raise JobError(
                    f"shard {shard}: column {name!r} is {found} but {usual} in {paths[0]}; "
                    "write all shards with one schema"
                )
            if name in columns.numbers and not numeric(found):
                raise JobError(
                    f"shard {shard}: column {name!r} is {found}, not numeric; a network needs numbers"
                )
            if name in columns.static and not (numeric(found) or text(found)):
                raise JobError(
                    f"shard {shard}: static column {name!r} is {found}; it may hold numbers or texts"
                )

    def _check_whole(self, shard: str) -> None:
        """Find a fault again, with all of its kind in the shard and the row's number in it."""
        columns = self.source.columns
        (fragment,) = (each for each in self.dataset.get_fragments() if each.path == shard)
        for name in (columns.time, *columns.numbers, *columns.static, *columns.keys[:-1]):
            kind = self.dataset.schema.field(name)
            table = pa.Table.from_batches(self.batches(fragment, [name]), pa.schema([kind]))
            column = table.unify_dictionaries().column(name).combine_chunks()
            if name == columns.time:
                read_times(shard, column, name)
            elif name == columns.series:
                read_ids(shard, column, name)
            elif name in columns.static:
                read_static(shard, name, column)
            else:
                read_values(shard, name, column, missing=columns.missing != "error")


def _dataset(source: Source, file_format: ds.ParquetFileFormat, first: pa.Schema) -> ds.FileSystemDataset:
    """The shards, with columns for what their folders' names say (``store=9/``) and the files do not."""

    def factory(partitioning: ds.Partitioning | ds.PartitioningFactory) -> ds.FileSystemDatasetFactory:
        base = source.listing.base
        options = ds.FileSystemFactoryOptions(partition_base_dir=base, partitioning=partitioning)
        return ds.FileSystemDatasetFactory(source.filesystem, source.listing.paths, file_format, options)

    *_, said = factory(ds.HivePartitioning.discover()).inspect_schemas()
    new = pa.schema([field for field in said if field.name not in first.names])
    return factory(ds.HivePartitioning(new)).finish()


def _piece(shard: str, batch: pa.RecordBatch, columns: Columns) -> Piece:
    times = read_times(shard, batch.column(columns.time), columns.time)
    rows = np.empty((batch.num_rows, len(columns.numbers)), np.float32)
    for index, name in enumerate(columns.numbers):
        rows[:, index] = read_values(shard, name, batch.column(name), missing=columns.missing != "error")
    statics = {name: read_static(shard, name, batch.column(name)) for name in columns.static}
    ids = None
    if columns.series is not None:
        ids = read_ids(shard, batch.column(columns.series), columns.series)
    return Piece.of(rows, times, ids, statics, shard=shard)
