"""Filling missing values from the known ones of the same series and column, a block of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs import npyfile
from jobs.errors import JobError
from jobs.naming import when, whose
from jobs.npyfile import blocks, let_go
from jobs.panel import Panel, Rows
from jobs.runs import Flags


@dataclass(frozen=True)
class Filling:
    """How the missing values of a panel are filled.

    ``forward`` and ``mask`` take the last known value, ``interpolate`` the line in time between the
    neighbouring known ones; after the last of these it is the last.  Before the first known value there is
    none to go forward from: all take that first one, and ``data.missing_limit`` bounds for how long.  So a
    value may come from later rows there, and with ``interpolate`` everywhere; ``cut.known_at`` keeps that
    from windows that end before the later row.

    A column without any known value in a series is refused; with ``mask`` a past covariate is 0 there, and
    its mask says so.

    Attributes:
        panel: NaN where a value is missing.
        path: where its shards lie.
        way: ``interpolate``, ``forward`` or ``mask``.
        limit: how many steps in a row may be filled; None for any.
        past: how many columns are targets and past covariates, which are the first.
    """

    panel: Panel
    path: str
    way: str
    limit: int | None
    past: int

    def blocks(self) -> Iterator[tuple[Rows, Rows]]:
        """The rows in blocks, filled, and how far each value's source is; both (rows, columns) float32.

        That is 0 where the value was known; else how many rows before it lies the last known one of its
        series, or, as a negative number, how many behind it the first; 1 where there is none.

        Raises:
            JobError: names series, column and time of a run that is too long, or of which nothing is known.
        """
        rows = self.panel.rows
        ahead = _first_known(rows)
        behind = np.full(rows.shape[1], -1)
        begin = 0
        for number, block in enumerate(blocks(rows)):
            missing = np.isnan(block)
            index = begin + np.arange(len(block))[:, None]
            if missing.any():
                before = np.maximum.accumulate(np.where(missing, behind, index))
                after = np.minimum.accumulate(np.where(missing, ahead[number + 1], index)[::-1])[::-1]
                yield self._filled(block, begin, missing, before, after)
                behind = before[-1]
                let_go(rows)
            else:
                yield block, np.zeros_like(block)
                behind = np.full(rows.shape[1], begin + len(block) - 1)
            begin += len(block)

    def _filled(self, block: Rows, begin: int, missing: Flags, before: Any, after: Any) -> tuple[Rows, Rows]:
        """A block that begins with that row; ``before`` and ``after`` say which rows are known next."""
        panel = self.panel
        row, column = np.nonzero(missing)
        before, after = before[row, column], after[row, column]
        series = np.searchsorted(panel.offsets, begin + row, side="right") - 1
        first, end = panel.offsets[series], panel.offsets[series + 1]
        left, right = before >= first, after < end
        self._check(column, np.maximum(before + 1, first), np.minimum(after, end), left | right)
        source = np.where(left, before, np.where(right, after, 0))
        values = np.where(left | right, panel.rows[source, column], np.float32(0))
        if self.way == "interpolate":
            both = left & right
            where, low, high = begin + row[both], before[both], after[both]
            part = _part(panel.times[low], panel.times[where], panel.times[high])
            start, stop = (panel.rows[each, column[both]].astype(np.float64) for each in (low, high))
            values[both] = start + (stop - start) * part
        filled, away = block.copy(), np.zeros_like(block)
        filled[row, column] = values
        away[row, column] = np.where(left | right, begin + row - source, 1)
        return filled, away

    def _check(self, column: Any, begin: Any, end: Any, known: Flags) -> None:
        """See that something is known of each run, the rows ``begin`` to ``end``, and its length."""
        needed = (column >= self.past) | (column < self.panel.targets) | (self.way != "mask")
        empty = np.flatnonzero(~known & needed)
        if len(empty):
            raise JobError(
                f"{self.path}: {self._at(column[empty[0]], begin[empty[0]])} has no known value at all; "
                "leave such series out with data.where, or the column"
            )
        long = np.flatnonzero(end - begin > (self.limit or len(self.panel.rows)))
        if len(long):
            which = long[0]
            length = end[which] - begin[which]
            raise JobError(
                f"{self.path}: {self._at(column[which], begin[which])} has no value for {length} steps from "
                f"{when(self.panel, int(begin[which]))} on, more than data.missing_limit of {self.limit}; "
                "fill or drop them, raise the limit, or leave such series out with data.where"
            )

    def _at(self, column: int, row: int) -> str:
        return f"column {self.panel.columns[column]!r} of {whose(self.panel, int(row))}"


def _part(low: Any, time: Any, high: Any) -> npt.NDArray[np.float64]:
    """How far between two times a third is; differences of whole numbers as they are, however large."""
    return (time - low).astype(np.float64) / (high - low).astype(np.float64)


def _first_known(rows: Rows) -> npt.NDArray[np.int64]:
    """For each block of rows, and what would follow the last: which row from there on is known first.

    Returns:
        (blocks + 1, columns); the number of all rows, where none is.
    """
    found = []
    for number, block in enumerate(blocks(rows)):
        known = ~np.isnan(block)
        first = known.argmax(axis=0) + number * npyfile.BLOCK
        found.append(np.where(known.any(axis=0), first, len(rows)))
    found.append(np.full(rows.shape[1], len(rows)))
    return np.minimum.accumulate(np.array(found)[::-1])[::-1]
