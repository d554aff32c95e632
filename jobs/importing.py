"""Files become a folder of Parquet shards of equal size: streamed, checked, put in place whole or not at all.

``sourcefiles`` finds the files; ``csvfiles``, ``widerows``, ``jsonlines`` and ``typedfiles`` read a kind
each, of which ``origins`` says what they have in common; ``layout`` gives every column its type; ``contents``
and ``melting`` make long tables of wide ones.  Rows are counted first, so that the shards can be equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
from pyarrow import fs as pafs

from jobs.contents import Content, LongRows, WideColumns
from jobs.csvfiles import CsvFile
from jobs.errors import JobError
from jobs.folders import SHARD, even_sizes, new_folder, write_shards
from jobs.jsonlines import open_json
from jobs.layout import Layout, TextError
from jobs.origins import Origin, Progress, check_columns
from jobs.shardvalues import numeric
from jobs.sourcefiles import Kind, find_files
from jobs.typedfiles import open_feather, open_parquet
from jobs.widerows import open_wide_rows

Wide = Literal["columns", "rows"]


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
        numbers: those of them that a network can read, in order; the time and the ids are not among them.
        text: the columns that a network cannot read although they might have been numbers, with the first
            value that is none and its place.
    """

    shards: int
    rows: int
    bytes: int
    time: str
    series: str | None
    columns: dict[str, str]
    numbers: tuple[str, ...]
    text: dict[str, str]


def import_files(  # noqa: PLR0913 - one argument an option of the command
    sources: Sequence[str],
    out: str,
    fs: pafs.FileSystem,
    *,
    wide: Wide | None = None,
    time: str | None = None,
    series: str | None = None,
    value: str = "value",
    rows_per_shard: int = 1_000_000,
    replace: bool = False,
    progress: Progress = lambda *_: None,
) -> ImportSummary:
    """Write files, one row per time step and series, as Parquet shards ``part-00000.parquet``….

    Read are CSV, JSON lines, Feather (Arrow IPC) and Parquet, all files of one kind.  Texts of a CSV file
    become what they mean: times timestamps[ns] (in UTC where they carry a zone; whole numbers stay int64),
    series ids int64 or string, every other column float64, or string if any of its values is no number.
    Columns of the other kinds keep their types but for times, which become timestamps[ns] of the same zone or
    int64, whole ids, which become int64, and categories, which become string.  Rows keep their order.  Memory
    is bounded by a few blocks of some MiB (a record batch of a Feather file, a line of a text) whatever the
    size of the files, but for the ids of a wide table.

    Args:
        sources: local files, folders of them or globs; text may be compressed (``.gz``).
        out: the folder to make, a whole path of ``fs``; it appears when every shard is written.
        fs: where ``out`` lies.
        wide: ``columns`` if every column beside the time is a series, which become rows of ``time``,
            ``series`` and ``value``; ``rows`` if every line of a CSV file is one, its id first, whose values
            are those of the steps 0, 1, 2…, or of the dates in the header.
        time: the time column; by default the first that holds timestamps, or ISO-8601 dates or times.  For
            wide ``rows`` the name of the column that is made: by default ``step``, or ``time`` for dates.
        series: the id column, or None where there is one series.  For a wide table the name of the column
            that is made, by default ``series``.
        value: the name of the column that is made of a wide table's values.
        rows_per_shard: most rows in a shard; there are as many equal shards as that takes.
        replace: put the new shards in the place of those in ``out``.
        progress: called with what is done (``read`` or ``written``), the rows so far and their share of all.

    Raises:
        JobError: names the file, column and row, what was found and what to do; ``out`` is then as it was.
    """
    if rows_per_shard < 1:
        raise JobError(f"rows per shard is {rows_per_shard}; give 1 or more")
    kind, files = find_files(sources, out)
    with new_folder(fs, out, replace=replace, ours=SHARD) as folder:
        content = _content(kind, files, _Shape(wide, time, series, value), progress)
        counts = content.count(progress)
        total = sum(counts)
        if not total:
            raise JobError(f"{files[0]}: there are no values in the files; give files that hold some")
        sizes = even_sizes(total, -(-total // rows_per_shard))
        text: dict[str, str] = {}
        while True:
            layout = content.layout.with_text(text)
            tables = ((file, content.tables(number, text)) for number, file in enumerate(files))
            try:
                write_shards(fs, folder, layout.schema, _unchanged(tables, counts), sizes, progress)
                break
            except TextError as found:  # the next shards are as many and take the place of these
                text |= found.columns
        size = sum(info.size for info in fs.get_file_info(pafs.FileSelector(folder)))
    return _summary(layout, text, shards=len(sizes), rows=total, size=size)


@dataclass(frozen=True)
class _Shape:
    """Whether the table is wide, and its columns as a user named them."""

    wide: Wide | None
    time: str | None
    series: str | None
    value: str


def _content(kind: Kind, files: Sequence[str], shape: _Shape, progress: Progress) -> Content:
    if shape.wide == "rows":
        if kind != "CSV":
            raise JobError(f"{files[0]}: {kind}; wide tables with a series a line are read from CSV alone")
        return LongRows.of_lines(open_wide_rows(files, shape.time, shape.series or "series", shape.value))
    origins = _OPENED[kind](files, progress)
    check_columns(origins)
    if shape.wide == "columns":
        return WideColumns.of(origins, shape.time, shape.series or "series", shape.value)
    return LongRows.of(origins, shape.time, shape.series)


_OPENED: dict[Kind, Callable[[Sequence[str], Progress], Sequence[Origin]]] = {
    "CSV": lambda files, _: [CsvFile.open(file) for file in files],
    "JSON lines": open_json,
    "Feather": lambda files, _: [open_feather(file) for file in files],
    "Parquet": lambda files, _: [open_parquet(file) for file in files],
}


def _unchanged(files: Iterable[tuple[str, Iterator[pa.Table]]], counts: Sequence[int]) -> Iterator[pa.Table]:
    """All tables of all files, of which none may have another number of rows than when it was counted."""
    for (file, tables), count in zip(files, counts, strict=True):
        rows = 0
        for table in tables:
            rows += table.num_rows
            if rows > count:
                break
            yield table
        if rows != count:
            raise JobError(f"{file}: changed while it was read; import again when it stays as it is")


def _summary(layout: Layout, text: dict[str, str], *, shards: int, rows: int, size: int) -> ImportSummary:
    keys = (layout.time, layout.series)
    return ImportSummary(
        shards=shards,
        rows=rows,
        bytes=size,
        time=layout.time,
        series=layout.series,
        columns={field.name: str(field.type) for field in layout.schema},
        numbers=tuple(
            field.name for field in layout.schema if numeric(field.type) and field.name not in keys
        ),
        text={name: where for name, where in text.items() if name != layout.series},
    )
