"""CSV files become a folder of Parquet shards: streamed, checked, and put in place whole or not at all.

Rows are counted as a spreadsheet shows them: the header is row 1, empty lines are not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from dataclasses import replace as with_fields
from itertools import repeat

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import fs as pafs

from jobs.csvfiles import Source, blocks, check_headers, find_files, read_header
from jobs.errors import JobError
from jobs.folders import SHARD, new_folder, write_shards

_MISSING = pa.array(["", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "-nan", "<NA>", "NULL", "null", "None"])
_LOCAL, _ZONED, _WHOLE = pa.timestamp("ns"), pa.timestamp("ns", "UTC"), pa.int64()
_WRITTEN = {
    _LOCAL: "a timestamp of the years 1678 to 2261 like 2024-01-31 14:00:00",
    _ZONED: "a timestamp of the years 1678 to 2261 like 2024-01-31T14:00:00Z, as the first one is",
    _WHOLE: "a whole number, as the first one is",
}


@dataclass(frozen=True)
class ImportSummary:
    """What an import wrote.

    Attributes:
        shards: Parquet files.
        rows: in all of them.
        bytes: of all of them.
        time: the time column.
        series: the id column; None where there is one series.
        columns: every column in order, with its Arrow type.
        text: the columns that a network cannot read, with the first value that is no number and its place.
    """

    shards: int
    rows: int
    bytes: int
    time: str
    series: str | None
    columns: dict[str, str]
    text: dict[str, str]


@dataclass(frozen=True)
class _Layout:
    """Every column's type, in order, and which of them say what row it is."""

    schema: pa.Schema
    time: str
    series: str | None

    def with_text(self, columns: Iterable[str]) -> _Layout:
        """The same with these columns as strings."""
        fields = [
            pa.field(field.name, pa.string()) if field.name in columns else field for field in self.schema
        ]
        return with_fields(self, schema=pa.schema(fields))


class _TextError(Exception):
    """Columns taken for numbers hold something else: the import begins again and keeps them as text."""

    def __init__(self, columns: dict[str, str]) -> None:
        super().__init__()
        self.columns = columns


def import_csv(  # noqa: PLR0913 - one argument an option of the command
    sources: Sequence[str],
    out: str,
    fs: pafs.FileSystem,
    *,
    time: str | None = None,
    series: str | None = None,
    rows_per_shard: int = 1_000_000,
    replace: bool = False,
    progress: Callable[[int], object] = lambda _: None,
) -> ImportSummary:
    """Write CSV files, one row per time step and series, as Parquet shards ``part-00000.parquet``….

    Times become timestamps[ns] (in UTC where they carry a zone; whole numbers stay int64), series ids int64
    or string, every other column float64, or string if any of its values is no number.  Rows keep their
    order.  Memory is bounded by a few blocks of 4 MiB whatever the size of the files.

    Args:
        sources: local CSV files, folders of them or globs; ``.csv.gz`` is read as well.
        out: the folder to make, a whole path of ``fs``; it appears when every shard is written.
        fs: where ``out`` lies.
        time: the time column; by default the first that holds ISO-8601 dates or times.
        series: the id column, or None where there is one series.
        rows_per_shard: most rows in a shard.
        replace: put the new shards in the place of those in ``out``.
        progress: called with the rows written so far.

    Raises:
        JobError: names the file, column and row, what was found and what to do; ``out`` is then as it was.
    """
    if rows_per_shard < 1:
        raise JobError(f"rows per shard is {rows_per_shard}; give 1 or more")
    files = [read_header(file) for file in find_files(sources)]
    check_headers(files)
    layout = _layout(files[0], time, series)
    text: dict[str, str] = {}
    while True:
        try:
            with new_folder(fs, out, replace=replace, ours=SHARD) as folder:
                tables = _tables(files, layout, progress)
                shards, rows = write_shards(fs, folder, layout.schema, tables, repeat(rows_per_shard))
                size = sum(info.size for info in fs.get_file_info(pafs.FileSelector(folder)))
        except _TextError as found:
            text |= found.columns
            layout = layout.with_text(found.columns)
            continue
        columns = {field.name: str(field.type) for field in layout.schema}
        text = {name: where for name, where in text.items() if name != series}
        return ImportSummary(shards, rows, size, layout.time, series, columns, text)


def _layout(source: Source, time: str | None, series: str | None) -> _Layout:
    """As far as the first block tells."""
    listed = f"it has {', '.join(source.names)}"
    for column in (time, series):
        if column is not None and column not in source.names:
            raise JobError(f"{source.file}: no column {column!r}; {listed}")
    if series is not None and series == time:
        raise JobError(f"column {time!r} is named for the time and for the series; name two columns")
    _, block = next(blocks(source))
    kinds = {name: _time_type(block[name][0].as_py(), whole=name == time) for name in source.names}
    if time is None:
        likely = [name for name in source.names if kinds[name] and name != series]
        certain = [name for name in likely if _converted(_stripped(block[name]), kinds[name]) is not None]
        time = next(iter([*certain, *likely]), None)
    if time is None:
        raise JobError(
            f"{source.file}: no column holds timestamps like 2024-01-31 14:00:00; "
            f"name the time column with --time ({listed})"
        )
    types = {time: kinds[time] or _LOCAL} | ({series: _WHOLE} if series else {})
    return _Layout(pa.schema([(name, types.get(name, pa.float64())) for name in source.names]), time, series)


def _time_type(first: str, *, whole: bool) -> pa.DataType | None:
    value = _stripped(pa.array([first]))
    kinds = [_LOCAL, _ZONED, _WHOLE] if whole else [_LOCAL, _ZONED]
    return next((kind for kind in kinds if _converted(value, kind) is not None), None)


def _tables(
    files: Sequence[Source], layout: _Layout, progress: Callable[[int], object]
) -> Iterator[pa.Table]:
    """All blocks of all files, converted."""
    rows = 0
    for source in files:
        for row, block in blocks(source):
            yield _table(block, layout, source.file, row)
            rows += block.num_rows
            progress(rows)


def _table(block: pa.RecordBatch, layout: _Layout, file: str, row: int) -> pa.Table:
    columns, text = [], {}
    for field in layout.schema:
        values = _meant(block[field.name], field, layout)
        column = _converted(values, field.type)
        if column is None:
            bad = _first_unfit(values, field.type)
            value, place = repr(values[bad].as_py()), f"row {row + bad}"
            if field.name == layout.time:
                wanted = _WRITTEN[field.type]
                raise JobError(
                    f"{file}: column {field.name!r}, {place}: {value} is not {wanted}; correct or drop it"
                )
            text[field.name] = f"{value} in {place} of {file}"
        elif field.name == layout.series and (bad := pc.index(values, "").as_py()) >= 0:
            raise JobError(
                f"{file}: column {field.name!r}, row {row + bad}: no series id; fill it in or drop the row"
            )
        columns.append(column)
    if text:
        raise _TextError(text)
    return pa.Table.from_arrays(columns, schema=layout.schema)


def _meant(values: pa.Array, field: pa.Field, layout: _Layout) -> pa.Array:
    """The texts to convert: what stands for a missing value is null, but never in a time or a series id."""
    if field.name in (layout.time, layout.series):
        return _stripped(values)
    missing = pa.array([""]) if field.type == pa.string() else _MISSING
    values = values if field.type == pa.string() else _stripped(values)
    return pc.if_else(pc.is_in(values, missing), pa.scalar(None, pa.string()), values)


def _stripped(values: pa.Array) -> pa.Array:
    return pc.utf8_trim_whitespace(values)


def _converted(values: pa.Array, kind: pa.DataType) -> pa.Array | None:
    """The values as ``kind``, or None if one of them cannot be; 007 is no whole number but a text."""
    try:
        column = pc.cast(values, kind)
    except pa.ArrowInvalid:
        return None
    if kind == _WHOLE and not pc.all(pc.equal(pc.cast(column, pa.string()), values)).as_py():
        return None
    return column


def _first_unfit(values: pa.Array, kind: pa.DataType) -> int:
    """Where the first value stands that cannot be converted, by bisection: one of them cannot."""
    fits, high = 0, len(values)
    while high - fits > 1:
        middle = (fits + high) // 2
        if _converted(values[fits:middle], kind) is None:
            high = middle
        else:
            fits = middle
    return fits
