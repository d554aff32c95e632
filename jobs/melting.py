"""Wide tables with a series a column: what comes of them is a row for every time and series.

A series begins with its first value and ends with its last one, in the order of the files' rows: blanks
before and after mean that it has not begun or is over, those between are missing values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.layout import Layout
from jobs.texts import ids_of

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
    """How a wide layout becomes a long one: the names of its columns, and the series' ids."""

    wide: Layout
    layout: Layout
    ids: pa.Array

    @classmethod
    def of(cls, wide: Layout, series: str, value: str) -> Melting:
        """Every column beside the time is a series."""
        ids = ids_of([name for name in wide.schema.names if name != wide.time])
        time = wide.schema.field(wide.time)
        schema = pa.schema([time, (series, ids.type), (value, pa.float64())])
        return cls(wide, Layout(schema, wide.time, series), ids)

    def values(self, table: pa.Table) -> npt.NDArray[np.float64]:
        """The values of a wide table, NaN for missing ones, (rows, series)."""
        names = [name for name in self.wide.schema.names if name != self.wide.time]
        values = np.empty((table.num_rows, len(names)))
        for index, name in enumerate(names):
            values[:, index] = table[name].to_numpy()
        return values

    def long(self, table: pa.Table, row: int, lives: Lives) -> pa.Table:
        """The rows that come of a table that begins with row ``row`` of all files: by time, then series."""
        values = self.values(table)
        living = lives.of(row, table.num_rows)
        at, series = np.nonzero(living)
        numbers = values[living]
        columns = [
            table[self.wide.time].combine_chunks().take(pa.array(at)),
            self.ids.take(pa.array(series)),
            pa.array(numbers, mask=np.isnan(numbers)),
        ]
        return pa.Table.from_arrays(columns, schema=self.layout.schema)
