"""CSV files: their headers and rows, every value as the text it is.

Rows are counted as a spreadsheet shows them: the header is row 1, empty lines are not counted.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv

from jobs.errors import JobError, reason
from jobs.origins import Block, unpacked

BLOCK = 1 << 22  # bytes of CSV in memory at a time

_RAGGED = re.compile(
    r"Row #(?P<row>\d+): Expected (?P<wanted>\d+) columns, got (?P<found>\d+): (?P<text>.*)", re.DOTALL
)


@dataclass(frozen=True)
class CsvFile:
    """A CSV file, its columns and how many records its header takes, empty lines before it included."""

    file: str
    names: tuple[str, ...]
    header: int
    guess: bool = True

    @classmethod
    def open(cls, file: str) -> CsvFile:
        """Read the header.

        Raises:
            JobError: the file cannot be read, or its header cannot be used.
        """
        with records(file) as (lines, _):
            count, header = next(((row, record) for row, record in lines if record), (0, []))
        if not header:
            raise JobError(f"{file}: the file is empty; give it a header and rows or leave it out")
        # A DataFrame's index is written without a name, and it is often the time.
        names = tuple(name.strip() or f"column_{index}" for index, name in enumerate(header, start=1))
        name, times = Counter(names).most_common(1)[0]
        if times > 1:
            raise JobError(
                f"{file}: the header names column {name!r} twice; give every column a name of its own"
            )
        if len(names) == 1 and set(";\t|") & set(names[0]):
            raise JobError(f"{file}: the header is one column, {names[0]!r}; separate the columns by commas")
        return cls(file, names, count)

    @property
    def types(self) -> dict[str, pa.DataType]:
        """An id such as NA is no missing value, and 007 no 7: what a text means is decided later."""
        return dict.fromkeys(self.names, pa.string())

    def place(self, row: int) -> str:
        """As a spreadsheet shows it."""
        return f"row {row}"

    def count(self, progress: Callable[[int, float], object]) -> int:
        """By parsing one column, which takes a sixth of the time that an import does."""
        rows = 0
        for block in self._read(self.names[:1]):
            rows += block.values.num_rows
            progress(rows, block.share)
        return rows

    def blocks(self) -> Iterator[Block]:
        """Blocks of rows as they are written.

        Raises:
            JobError: names the row that cannot be read.
        """
        return self._read(self.names)

    def _read(self, columns: Sequence[str]) -> Iterator[Block]:
        row, size = self.header + 1, max(Path(self.file).stat().st_size, 1)
        try:
            with pa.OSFile(self.file) as raw:
                for values in pa_csv.open_csv(unpacked(raw, self.file), **self._options(columns)):
                    yield Block(row, values, raw.tell() / size)
                    row += values.num_rows
        except (pa.ArrowInvalid, OSError) as error:
            raise JobError(f"{self.file}: {_misread(error)}") from None
        if row == self.header + 1:
            raise JobError(
                f"{self.file}: there is a header and no row below it; give it rows or leave it out"
            )

    def _options(self, columns: Sequence[str]) -> dict[str, Any]:
        return {
            "read_options": pa_csv.ReadOptions(
                use_threads=False,  # or it could not tell the number of a row; parsing runs at 1 GB/s
                block_size=BLOCK,
                column_names=self.names,
                skip_rows_after_names=self.header,
            ),
            "parse_options": pa_csv.ParseOptions(newlines_in_values=True),
            "convert_options": pa_csv.ConvertOptions(
                column_types=self.types, include_columns=columns, strings_can_be_null=False
            ),
        }


@contextmanager
def records(file: str) -> Iterator[tuple[Iterator[tuple[int, list[str]]], Callable[[], float]]]:
    """A file's records with their numbers, empty lines among them; and what share of it has been read.

    Raises:
        JobError: the file cannot be read.
    """
    try:
        size = max(Path(file).stat().st_size, 1)
        with (
            pa.OSFile(file) as raw,
            io.TextIOWrapper(unpacked(raw, file), encoding="utf-8-sig", newline="") as lines,
        ):
            yield enumerate(csv.reader(lines), start=1), lambda: raw.tell() / size
    except UnicodeDecodeError:
        raise JobError(f"{file}: not UTF-8 text; save it as CSV in UTF-8") from None
    except (OSError, csv.Error) as error:
        raise JobError(f"{file}: cannot be read ({reason(error)})") from None


def _misread(error: Exception) -> str:
    # A handler of such rows would not do: where one is no UTF-8 text, Arrow prints a traceback.
    ragged = _RAGGED.search(str(error))
    if "UTF8" in str(error) or (ragged and "\ufffd" in ragged["text"]):
        return "not UTF-8 text; save it as CSV in UTF-8"
    if ragged:
        found = f"row {ragged['row']} has {ragged['found']} values for {ragged['wanted']} columns"
        return f"{found} ({ragged['text']!r}); complete or drop it"
    return f"cannot be read as CSV ({reason(error)})"
