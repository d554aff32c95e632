"""Rows in any order, as they come out of the shards, become a panel's files without ever being in memory."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from jobs.errors import JobError, reason
from jobs.npyfile import BLOCK, NpyFile, let_go
from jobs.panel import Indices
from jobs.pieces import Piece
from jobs.runs import Flags, Numbers, Runs, order_by_time

_GROUP = 1 << 20  # rows that are ordered at a time


@dataclass(frozen=True)
class Duplicates:
    """Rows whose series and time another row has too.

    Attributes:
        count: how many too many.
        row: the first of them, counted over all rows in the order in which they came.
        series, time: whose and when that is.
    """

    count: int
    row: int
    series: str | int | None
    time: int


class Assembly:
    """Collects rows in any order and leaves them in a folder, sorted by series and time.

    Rows are written as they come.  Where that is the panel's order, nothing more happens; else they are
    copied, a group at a time.  In memory are what is added at a time, the runs, and a group: a million rows,
    or as many as there are of one series whose times are interleaved without end.

    What it leaves after an error is its caller's to remove.
    """

    def __init__(self, folder: Path, columns: int) -> None:
        """Begin in ``folder``, which is made, with rows of so many columns.

        Raises:
            JobError: the folder cannot be written.
        """
        self._folder, self._columns = folder, columns
        self._ids: dict[str | int | None, int] = {}
        self._runs: list[Runs] = []
        self._open = ExitStack()
        self.count = 0
        with writing(self._folder):
            self._arrived.mkdir(parents=True)
            self._rows, self._times = self._files(self._arrived)

    @property
    def _arrived(self) -> Path:
        return self._folder / "arrived"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with writing(self._folder):
            self._open.close()

    def add(self, piece: Piece) -> Numbers:
        """Add the next rows.

        Returns:
            The numbers that their series have here, in the order of the piece's names.

        Raises:
            JobError: there is no room for them.
        """
        numbers = np.asarray([self._ids.setdefault(name, len(self._ids)) for name in piece.names], np.int32)
        runs = piece.runs
        self._runs.append(replace(runs, series=numbers[runs.series], begin=runs.begin + self.count))
        self.count += len(piece.rows)
        with writing(self._folder):
            self._rows.append(piece.rows)
            self._times.append(piece.times)
        return numbers

    def numbers(self, ids: Iterable[str | int | None]) -> Numbers:
        """The numbers of these series, as ``add`` has given them."""
        return np.asarray([self._ids[name] for name in ids], np.int32)

    def finish(self) -> tuple[tuple[str | int | None, ...], Duplicates | None]:
        """Leave ``rows.npy``, ``times.npy`` and ``offsets.npy`` in the folder, as in a panel.

        Returns:
            The series' ids in order, and what is there more than once.

        Raises:
            JobError: there is no room for the files.
        """
        ids = sorted(self._ids, key=lambda name: (name is not None, name))
        runs = self._ranked(ids)
        order = np.lexsort((runs.first, runs.series))
        in_order = bool((order[1:] > order[:-1]).all())
        runs = runs.take(order)
        lengths = np.bincount(runs.series, weights=runs.length).astype(np.int64)
        apart = runs.apart()
        found = []
        with writing(self._folder):
            self._open.close()
            np.save(self._folder / "offsets.npy", np.concatenate([[0], np.cumsum(lengths)]))
            if in_order and apart.all():
                for name in ("rows.npy", "times.npy"):
                    (self._arrived / name).rename(self._folder / name)
            else:
                found = self._copy(runs, apart)
            shutil.rmtree(self._arrived)
        if not found:
            return tuple(ids), None
        row, rank, time = found[0][1:]
        return tuple(ids), Duplicates(sum(count for count, *_ in found), row, ids[rank], time)

    def _ranked(self, ids: list[str | int | None]) -> Runs:
        """All runs in the order in which they came, their series numbered as in ``ids``."""
        ranks = np.empty(len(ids), np.int32)
        ranks[self.numbers(ids)] = np.arange(len(ids))
        runs = Runs.together(self._runs)
        self._runs.clear()
        return Runs(ranks[runs.series], runs.begin, runs.length, runs.first, runs.last)

    def _copy(self, runs: Runs, apart: Flags) -> list[tuple[int, int, int, int]]:
        """Copy what arrived in the order of the sorted runs, where they overlap in that of their times.

        Returns:
            For each group with duplicates their count, and the first one's row, series' rank and time.
        """
        rows = np.load(self._arrived / "rows.npy", mmap_mode="r")
        times = np.load(self._arrived / "times.npy", mmap_mode="r")
        found = []
        with self._open:
            new_rows, new_times = self._files(self._folder)
            for group in runs.groups(apart, _GROUP):
                part = runs.take(group)
                index = part.rows()
                if not apart[group].all():
                    index, duplicates = _by_time(part, index, times[index])
                    found += duplicates
                for begin in range(0, len(index), BLOCK):
                    block = index[begin : begin + BLOCK]
                    new_rows.append(rows[block])
                    new_times.append(times[block])
                    let_go(rows)
                let_go(times)
        return found

    def _files(self, folder: Path) -> tuple[NpyFile, NpyFile]:
        rows = self._open.enter_context(NpyFile(folder / "rows.npy", np.float32, self._columns))
        return rows, self._open.enter_context(NpyFile(folder / "times.npy", np.int64))


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn what the disk says while a panel is written into a sentence."""
    try:
        yield
    except OSError as error:
        raise JobError(
            f"{folder}: the panel cannot be written there ({reason(error)}); "
            "make room on that disk, or set RECUR_CACHE to a folder on a larger one"
        ) from None


def _by_time(runs: Runs, index: Indices, times: Indices) -> tuple[Indices, list[tuple[int, int, int, int]]]:
    """The rows of ``index``, which have these times, by series and time; and the duplicates, if any."""
    series = np.repeat(runs.series, runs.length)
    order = order_by_time(series, times)
    same = np.flatnonzero((np.diff(times[order]) == 0) & (np.diff(series[order]) == 0)) + 1
    if not len(same):
        return index[order], []
    order = np.lexsort((index, times, series))  # for the later of two to be the one too many
    index, times, series = index[order], times[order], series[order]
    first = int(same[0])
    return index, [(len(same), int(index[first]), int(series[first]), int(times[first]))]
