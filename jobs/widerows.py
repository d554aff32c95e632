"""Wide CSV with a series a line: its id, then its values; what comes of it is a row a value.

Blanks before the first and after the last value of a line mean that the series has not begun or is over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.csvfiles import CsvFile, records
from jobs.errors import JobError
from jobs.origins import Block
from jobs.texts import DATES, converted, numbers_of

_Lines = list[tuple[int, list[str]]]

_VALUES = 1 << 17  # of some lines, that are held at a time, or of one line if it has more


@dataclass(frozen=True)
class WideRows:
    """Such a file, and the names of the three columns that are made of it.

    Attributes:
        source: the file and its header.
        time: the column of times: those of the header if it holds ISO dates or times, else 0, 1, 2….
        series: the column of ids.
        value: the column of values.
        steps: the time of every column of values.
        seen: the ids that have been counted, in this file or another one of the same import.
    """

    source: CsvFile
    time: str
    series: str
    value: str
    steps: pa.Array
    seen: set[str] = field(compare=False)
    guess: bool = True

    @property
    def file(self) -> str:
        """Where it lies."""
        return self.source.file

    @property
    def types(self) -> dict[str, pa.DataType]:
        """Ids are texts until it is known that all are whole numbers."""
        return {self.time: self.steps.type, self.series: pa.string(), self.value: pa.float64()}

    def place(self, row: int) -> str:
        """As a spreadsheet shows it."""
        return f"row {row}"

    def count(self, progress: Callable[[int, float], object]) -> int:
        """By reading it, and every id must be new.

        Raises:
            JobError: as ``blocks``; or an id comes twice.
        """
        rows = 0
        for lines, share in self._lines():
            for row, (name, *_) in lines:
                if name.strip() in self.seen:
                    raise JobError(
                        f"{self.file}: row {row}: series {name.strip()!r} comes a second time; "
                        "give every line an id of its own"
                    )
                self.seen.add(name.strip())
            rows += self._long(lines).num_rows
            progress(rows, share)
        return rows

    def blocks(self) -> Iterator[Block]:
        """Rows by series and time; each block has the number of the line that it begins with.

        Raises:
            JobError: names the line that has no id or too many values, or the column of what is no number.
        """
        return (Block(lines[0][0], self._long(lines), share) for lines, share in self._lines())

    def _lines(self) -> Iterator[tuple[_Lines, float]]:
        """Some lines with their numbers, and the share of the file behind them."""
        row, held, values = self.source.header, list[tuple[int, list[str]]](), 0
        with records(self.file) as (found, share):
            for number, record in found:
                if number <= self.source.header or not record:
                    continue
                row += 1
                if len(record) > len(self.steps) + 1:
                    wanted = f"row {row} has {len(record)} values for {len(self.steps) + 1} columns"
                    raise JobError(f"{self.file}: {wanted}; correct or drop it")
                if not record[0].strip():
                    raise JobError(f"{self.file}: row {row}: no series id; fill it in or drop the row")
                held.append((row, record))
                values += len(record)
                if values >= _VALUES:
                    yield held, share()
                    held, values = [], 0
            if held:
                yield held, share()
        if row == self.source.header:
            raise JobError(
                f"{self.file}: there is a header and no row below it; give it rows or leave it out"
            )

    def _long(self, lines: _Lines) -> pa.RecordBatch:
        lengths = np.array([len(record) - 1 for _, record in lines])
        line = np.repeat(np.arange(len(lines)), lengths)
        step = np.arange(len(line)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        numbers = numbers_of(pa.array(chain.from_iterable(record[1:] for _, record in lines), pa.string()))
        if isinstance(numbers, int):
            row, record = lines[line[numbers]]
            name, value = self.source.names[step[numbers] + 1], record[step[numbers] + 1]
            raise JobError(
                f"{self.file}: column {name!r}, row {row}: {value!r} is no number; correct or empty it"
            )
        kept = _alive(numbers.is_valid().to_numpy(zero_copy_only=False), line, len(lines))
        ids = pa.array([record[0].strip() for _, record in lines], pa.string())
        columns = [
            self.steps.take(pa.array(step[kept])),
            ids.take(pa.array(line[kept])),
            numbers.filter(kept),
        ]
        return pa.RecordBatch.from_arrays(columns, names=list(self.types))


def open_wide_rows(files: Sequence[str], time: str | None, series: str, value: str) -> list[WideRows]:
    """Read the headers; the time is called ``step`` or, for the dates of a header, ``time`` by default.

    Raises:
        JobError: a file cannot be read, or its header cannot be used.
    """
    seen: set[str] = set()
    opened = []
    for source in map(CsvFile.open, files):
        names = pa.array(source.names[1:], pa.string())
        dates = next((found for kind in DATES if (found := converted(names, kind)) is not None), None)
        steps = pa.array(np.arange(len(names))) if dates is None or not len(names) else dates
        name = time or ("step" if pa.types.is_integer(steps.type) else "time")
        opened.append(WideRows(source, name, series, value, steps, seen))
    return opened


def _alive(present: npt.NDArray[np.bool_], line: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.bool_]:
    """Which values lie between the first and the last one present of their line."""
    at = np.flatnonzero(present)
    first, last = np.full(count, len(present)), np.full(count, -1)
    first[line[at][::-1]] = at[::-1]  # of several assignments to one line the last one stays
    last[line[at]] = at
    position = np.arange(len(present))
    return (position >= first[line]) & (position <= last[line])
