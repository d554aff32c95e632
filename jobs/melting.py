"""Wide tables with a series a column: what comes of them is a row for every time and series.

A series begins with its first value and ends with its last one, in the order of the files' rows: blanks
before and after mean that it has not begun or is over, those between are missing values.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.errors import JobError
from jobs.layout import Layout
from jobs.origins import Block, Origin
from jobs.texts import ids_of, numbers_of

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Lives:
    """Rows of all files, counted from 0, in which each series has its first and its last value, (series,)."""

    first: Indices
    last: Indices

    @classmethod
    def unknown(cls, series: int) -> Lives:
        """Before anything has been read."""
        return cls(np.full(series, -1), np.full(series, -1))

    def see(self, row: int, values: npt.NDArray[np.float64]) -> None:
        """Take in the rows from ``row`` on, (rows, series)."""
        present = ~np.isnan(values)
        seen = present.any(axis=0)
        begun = seen & (self.first < 0)
        self.first[begun] = row + present.argmax(axis=0)[begun]
        self.last[seen] = row + len(values) - 1 - present[::-1].argmax(axis=0)[seen]

    def count(self, start: int, end: int) -> int:
        """How many rows of the long table come of the rows from ``start`` up to ``end``."""
        inside = np.minimum(self.last + 1, end) - np.maximum(self.first, start)
        return int(np.maximum(inside, 0)[self.first >= 0].sum())

    def of(self, row: int, count: int) -> npt.NDArray[np.bool_]:
        """Which series live in these rows, (count, series)."""
        rows = np.arange(row, row + count)[:, None]
        return (rows >= self.first) & (rows <= self.last) & (self.first >= 0)


@dataclass(frozen=True)
class Melting:
    """How a wide table becomes a long one: where its times stand, and its series' names and ids."""

    time: Layout
    layout: Layout
    names: tuple[str, ...]
    ids: pa.Array

    @classmethod
    def of(cls, wide: Layout, series: str, value: str) -> Melting:
        """Every column beside the time is a series; the other names are those of what is made."""
        names = tuple(name for name in wide.schema.names if name != wide.time)
        ids, time = ids_of(names), wide.schema.field(wide.time)
        schema = pa.schema([time, (series, ids.type), (value, pa.float64())])
        return cls(replace(wide, schema=pa.schema([time])), Layout(schema, wide.time, series), names, ids)

    def values(self, block: Block, origin: Origin) -> npt.NDArray[np.float64]:
        """The values of a block, NaN for missing ones, (rows, series).

        Raises:
            JobError: names the column and the row of what is no number.
        """
        columns = [block.values[name] for name in self.names]
        if not origin.guess:
            return np.stack([_floats(column) for column in columns], axis=1)
        texts = pa.concat_arrays(columns)  # a block may have few rows of thousands of columns
        numbers = numbers_of(texts)
        if isinstance(numbers, int):
            series, row = divmod(numbers, block.values.num_rows)
            raise JobError(
                f"{origin.file}: column {self.names[series]!r}, {origin.place(block.row + row)}: "
                f"{texts[numbers].as_py()!r} is no number; correct or empty it, or leave the column out"
            )
        return _floats(numbers).reshape(len(columns), -1).T

    def long(self, block: Block, origin: Origin, row: int, lives: Lives) -> pa.Table:
        """The rows that come of a block that begins with row ``row`` of all files: by time, then series.

        Raises:
            JobError: as ``values``; or a time cannot be used.
        """
        times = self.time.table(block, origin)[self.time.time].combine_chunks()
        living = lives.of(row, len(times))
        at, series = np.nonzero(living)
        numbers = self.values(block, origin)[living]
        columns = [
            times.take(pa.array(at)),
            self.ids.take(pa.array(series)),
            pa.array(numbers, mask=np.isnan(numbers)),
        ]
        return pa.Table.from_arrays(columns, schema=self.layout.schema)


def _floats(column: pa.Array) -> npt.NDArray[np.float64]:
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
