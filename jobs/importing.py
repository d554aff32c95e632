"""CSV files become a folder of Parquet shards: streamed, checked, and put in place whole or not at all.

Rows are counted as a spreadsheet shows them: the header is row 1, empty lines are not counted.
"""

from __future__ import annotations

import csv
import glob
import io
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from dataclasses import replace as with_fields
from itertools import repeat
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from pyarrow import fs as pafs

from jobs.errors import JobError

SHARD = re.compile(r"part-\d{5,}\.parquet")
BLOCK = 1 << 22  # bytes of CSV in memory at a time

_SUFFIXES = (".csv", ".csv.gz")
_MISSING = pa.array(["", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "-nan", "<NA>", "NULL", "null", "None"])
_LOCAL, _ZONED, _WHOLE = pa.timestamp("ns"), pa.timestamp("ns", "UTC"), pa.int64()
_WRITTEN = {
    _LOCAL: "a timestamp of the years 1678 to 2261 like 2024-01-31 14:00:00",
    _ZONED: "a timestamp of the years 1678 to 2261 like 2024-01-31T14:00:00Z, as the first one is",
    _WHOLE: "a whole number, as the first one is",
}
_OBJECT_STORES = ("s3", "gcs", "abfs")


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
class _Source:
    """A CSV file, its columns and how many records its header takes, empty lines before it included."""

    file: str
    names: tuple[str, ...]
    header: int


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
    files = [_read_header(file) for file in _find(sources)]
    _check_headers(files)
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


def write_shards(
    fs: pafs.FileSystem, folder: str, schema: pa.Schema, tables: Iterable[pa.Table], sizes: Iterator[int]
) -> tuple[int, int]:
    """Write tables one after the other into shards of the given numbers of rows; (shards, rows) written."""
    shards = rows = room = 0
    with ExitStack() as shard:
        for table in tables:
            start = 0
            while start < table.num_rows:
                if not room:
                    shard.close()
                    path = f"{folder}/part-{shards:05d}.parquet"
                    writer = pq.ParquetWriter(path, schema, filesystem=fs, compression="zstd")
                    shard.enter_context(writer)
                    shards, room = shards + 1, next(sizes)
                part = table.slice(start, room)
                writer.write_table(part)
                start, room, rows = start + part.num_rows, room - part.num_rows, rows + part.num_rows
    return shards, rows


@contextmanager
def new_folder(fs: pafs.FileSystem, out: str, *, replace: bool, ours: re.Pattern[str]) -> Iterator[str]:
    """A hidden folder beside ``out`` to write in; it becomes ``out``, or nothing is left of it.

    On object stores, which cannot rename a folder, the files are moved one by one.

    Args:
        fs: where ``out`` lies.
        out: a whole path.
        replace: allow ``out`` to hold files, which are then replaced.
        ours: the names that may be replaced; with any other file in ``out`` it is refused.

    Raises:
        JobError: ``out`` may not be replaced or cannot be written.
    """
    out = out.rstrip("/")
    parent, slash, name = out.rpartition("/")
    if not slash:
        raise JobError(f"{out or '/'}: not a folder that can be made; give one inside it")
    temporary = f"{parent}/.{name}.{secrets.token_hex(4)}"
    made: list[str] = []
    try:
        _check_free(fs, out, replace=replace, ours=ours)
        made = _missing(fs, parent)
        fs.create_dir(temporary)
        yield temporary
        _put(fs, temporary, out, replace=replace)
    except BaseException as error:
        _clear(fs, temporary, made)
        if isinstance(error, OSError):
            raise JobError(f"{out}: cannot be written ({_reason(error)})") from None
        raise


def _clear(fs: pafs.FileSystem, temporary: str, made: Sequence[str]) -> None:
    if fs.get_file_info(temporary).type == pafs.FileType.Directory:
        fs.delete_dir(temporary)
    for folder in made:
        if fs.get_file_info(folder).type == pafs.FileType.Directory and not _names(fs, folder):
            fs.delete_dir(folder)


def _check_free(fs: pafs.FileSystem, out: str, *, replace: bool, ours: re.Pattern[str]) -> None:
    if fs.get_file_info(out).type == pafs.FileType.File:
        raise JobError(f"{out}: is a file; give a folder that does not exist yet")
    names = _names(fs, out)
    if names and not replace:
        raise JobError(f"{out}: the folder is not empty; give another one, or --replace to replace it")
    foreign = [name for name in names if not ours.fullmatch(name)]
    if foreign:
        raise JobError(
            f"{out}: holds {foreign[0]!r}, which is not replaced; take it away or give another folder"
        )


def _names(fs: pafs.FileSystem, folder: str) -> list[str]:
    return sorted(
        info.base_name for info in fs.get_file_info(pafs.FileSelector(folder, allow_not_found=True))
    )


def _missing(fs: pafs.FileSystem, folder: str) -> list[str]:
    """The folder and those above it that do not exist, the deepest first; a bucket is never among them."""
    missing = []
    while "/" in folder and fs.get_file_info(folder).type == pafs.FileType.NotFound:
        missing.append(folder)
        folder = folder.rpartition("/")[0]
    return missing


def _put(fs: pafs.FileSystem, temporary: str, out: str, *, replace: bool) -> None:
    aside = f"{temporary}.replaced" if replace and _names(fs, out) else None
    if aside:
        _move(fs, out, aside)
    try:
        _move(fs, temporary, out)
    except BaseException:
        if aside:
            _move(fs, aside, out)
        raise
    if aside:
        fs.delete_dir(aside)


def _move(fs: pafs.FileSystem, source: str, target: str) -> None:
    if fs.type_name not in _OBJECT_STORES:
        fs.move(source, target)
        return
    moved: list[str] = []
    try:
        for name in _names(fs, source):
            fs.move(f"{source}/{name}", f"{target}/{name}")
            moved.append(name)
    except BaseException:
        for name in moved:
            fs.move(f"{target}/{name}", f"{source}/{name}")
        raise
    fs.delete_dir(source)


def _find(sources: Sequence[str]) -> list[str]:
    files: list[str] = []
    for source in sources:
        path = Path(source)
        if path.is_dir():
            found = [str(file) for file in path.rglob("*") if file.name.lower().endswith(_SUFFIXES)]
            if not found:
                raise JobError(
                    f"{source}: no CSV files (*.csv) in this folder; name the files or another folder"
                )
        elif path.exists():
            found = [source]
        else:
            found = [name for name in glob.glob(source, recursive=True) if Path(name).is_file()]  # noqa: PTH207
            if not found:
                raise JobError(f"{source}: does not exist; give a CSV file, a folder of CSV files or a glob")
        files.extend(sorted(found))
    return list(dict.fromkeys(files))


def _read_header(file: str) -> _Source:
    try:
        with pa.input_stream(file) as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as lines:
            records = enumerate(csv.reader(lines), start=1)
            count, header = next(((row, record) for row, record in records if record), (0, []))
    except UnicodeDecodeError:
        raise JobError(f"{file}: not UTF-8 text; save it as CSV in UTF-8") from None
    except (OSError, csv.Error) as error:
        raise JobError(f"{file}: cannot be read ({_reason(error)})") from None
    if not header:
        raise JobError(f"{file}: the file is empty; give it a header and rows or leave it out")
    # A DataFrame's index is written without a name, and it is often the time.
    names = tuple(name.strip() or f"column_{index}" for index, name in enumerate(header, start=1))
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise JobError(
            f"{file}: the header names column {twice!r} twice; give every column a name of its own"
        )
    if len(names) == 1 and set(";\t|") & set(names[0]):
        raise JobError(f"{file}: the header is one column, {names[0]!r}; separate the columns by commas")
    return _Source(file, names, count)


def _check_headers(files: Sequence[_Source]) -> None:
    first = files[0]
    for other in files[1:]:
        lacks = [f"lacks column {name!r}" for name in first.names if name not in other.names]
        adds = [f"adds column {name!r}" for name in other.names if name not in first.names]
        if lacks or adds:
            raise JobError(
                f"{other.file}: the header {' and '.join([*lacks[:1], *adds[:1]])}, unlike {first.file}; "
                "give all files the same columns"
            )


def _layout(source: _Source, time: str | None, series: str | None) -> _Layout:
    """As far as the first block tells."""
    listed = f"it has {', '.join(source.names)}"
    for column in (time, series):
        if column is not None and column not in source.names:
            raise JobError(f"{source.file}: no column {column!r}; {listed}")
    if series is not None and series == time:
        raise JobError(f"column {time!r} is named for the time and for the series; name two columns")
    _, block = next(_blocks(source))
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


def _blocks(source: _Source) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Blocks of a file's rows as they are written, each with the number of its first row."""
    ragged: list[Any] = []

    def refuse(row: Any) -> str:
        ragged.append(row)
        return "error"

    row = source.header + 1
    try:
        reader = pa_csv.open_csv(
            source.file,
            read_options=pa_csv.ReadOptions(
                use_threads=False,  # or it could not tell the number of a row; parsing runs at 1 GB/s
                block_size=BLOCK,
                column_names=source.names,
                skip_rows_after_names=source.header,
            ),
            parse_options=pa_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=refuse),
            convert_options=pa_csv.ConvertOptions(
                # An id such as NA is no missing value, and 007 no 7: what a text means is decided later.
                column_types=dict.fromkeys(source.names, pa.string()),
                strings_can_be_null=False,
            ),
        )
        for block in reader:
            yield row, block
            row += block.num_rows
    except (pa.ArrowInvalid, OSError) as error:
        raise JobError(f"{source.file}: {_misread(source, ragged, error)}") from None
    if row == source.header + 1:
        raise JobError(f"{source.file}: there is a header and no row below it; give it rows or leave it out")


def _misread(source: _Source, ragged: Sequence[Any], error: Exception) -> str:
    if ragged:
        row, wanted = ragged[0], len(source.names)
        found = f"row {row.number} has {row.actual_columns} values for {wanted} columns"
        return f"{found} ({row.text!r}); complete or drop it"
    if "UTF8" in str(error):
        return "not UTF-8 text; save it as CSV in UTF-8"
    return f"cannot be read as CSV ({_reason(error)})"


def _reason(error: Exception) -> str:
    number = getattr(
        error, "errno", None
    )  # Arrow's own text repeats the whole path before it says what is wrong
    return os.strerror(number) if number else str(error).splitlines()[0][:160]


def _tables(
    files: Sequence[_Source], layout: _Layout, progress: Callable[[int], object]
) -> Iterator[pa.Table]:
    """All blocks of all files, converted."""
    rows = 0
    for source in files:
        for row, block in _blocks(source):
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
