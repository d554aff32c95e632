"""Finding CSV files and reading their headers and rows, every value as the text it is."""

from __future__ import annotations

import csv
import glob
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv

from jobs.errors import JobError, reason

BLOCK = 1 << 22  # bytes of CSV in memory at a time

_SUFFIXES = (".csv", ".csv.gz")


@dataclass(frozen=True)
class Source:
    """A CSV file, its columns and how many records its header takes, empty lines before it included."""

    file: str
    names: tuple[str, ...]
    header: int


def find_files(sources: Sequence[str]) -> list[str]:
    """The files that paths, folders and globs name, each once.

    Raises:
        JobError: one of them names none.
    """
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


def read_header(file: str) -> Source:
    """A file's columns.

    Raises:
        JobError: the file cannot be read, or its header cannot be used.
    """
    try:
        with pa.input_stream(file) as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as lines:
            records = enumerate(csv.reader(lines), start=1)
            count, header = next(((row, record) for row, record in records if record), (0, []))
    except UnicodeDecodeError:
        raise JobError(f"{file}: not UTF-8 text; save it as CSV in UTF-8") from None
    except (OSError, csv.Error) as error:
        raise JobError(f"{file}: cannot be read ({reason(error)})") from None
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
    return Source(file, names, count)


def check_headers(files: Sequence[Source]) -> None:
    """See that all files have the columns of the first, in any order.

    Raises:
        JobError: names the file and the column.
    """
    first = files[0]
    for other in files[1:]:
        lacks = [f"lacks column {name!r}" for name in first.names if name not in other.names]
        adds = [f"adds column {name!r}" for name in other.names if name not in first.names]
        if lacks or adds:
            raise JobError(
                f"{other.file}: the header {' and '.join([*lacks[:1], *adds[:1]])}, unlike {first.file}; "
                "give all files the same columns"
            )


def blocks(source: Source) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Blocks of a file's rows as they are written, each with the number of its first row.

    Raises:
        JobError: names the file and the row that cannot be read.
    """
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


def _misread(source: Source, ragged: Sequence[Any], error: Exception) -> str:
    if ragged:
        row, wanted = ragged[0], len(source.names)
        found = f"row {row.number} has {row.actual_columns} values for {wanted} columns"
        return f"{found} ({row.text!r}); complete or drop it"
    if "UTF8" in str(error):
        return "not UTF-8 text; save it as CSV in UTF-8"
    return f"cannot be read as CSV ({reason(error)})"
