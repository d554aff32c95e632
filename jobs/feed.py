"""Batches of windows, gathered from the shared rows by index as they are needed.

A pass's order depends on the trial's seed and the pass's number alone, so a resumed trial goes on with the
very batches it would have had.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from jobs.pages import Pages
from jobs.panel import Indices, Rows
from jobs.windows import Starts

LARGEST_EVALUATED = 1024  # windows in a batch: a step of a recurrence on fewer is mostly the calls it makes
MOST_BATCHES = 32  # in one call: enough that calling costs nothing, few enough to leave soon when asked to
BLOCK = 1 << 10  # neighbouring windows that are shuffled together
POOL = 1 << 20  # windows that are shuffled at a time
_BETWEEN_LOOKS = 128  # windows; the kernel may map half a megabyte for each
_MOST_BYTES = 4 << 20  # of inputs in one call


@dataclass(frozen=True)
class Feed:
    """What every batch of a trial is made from.

    Attributes:
        rows: (steps, columns) raw values of the panel.
        lookback, horizon, targets: sizes of a window; targets are the first columns.
        pages: keeps what is in memory of the rows in bounds.
    """

    rows: Rows
    lookback: int
    horizon: int
    targets: int
    pages: Pages | None = None

    def capacity(self, batch: int) -> int:
        """How many batches go into one call."""
        size = batch * self.lookback * self.rows.shape[1] * self.rows.itemsize
        return max(1, min(MOST_BATCHES, _MOST_BYTES // size))

    def gather(self, starts: Indices, *, batch: int, capacity: int) -> dict[str, Any]:
        """The windows that begin at ``starts``, at most ``capacity * batch`` of them.

        Returns:
            ``x`` (capacity, batch, lookback, columns) and ``y`` (capacity, batch, horizon, targets), raw,
            zeros where there is no window; ``valid``, the windows in each batch, (capacity,) int32.
        """
        columns = self.rows.shape[1]
        x = np.zeros((capacity * batch, self.lookback, columns), np.float32)
        y = np.zeros((capacity * batch, self.horizon, self.targets), np.float32)
        at_once = _BETWEEN_LOOKS if self.pages is not None and self.pages.limited else capacity * batch
        for begin in range(0, len(starts), at_once):
            some, place = starts[begin : begin + at_once, None], slice(begin, begin + at_once)
            x[place][: len(some)] = self.rows[some + np.arange(self.lookback)]
            ahead = some + np.arange(self.lookback, self.lookback + self.horizon)
            y[place][: len(some)] = self.rows[ahead, : self.targets]
            if self.pages is not None:
                self.pages.ease()
        return {
            "x": x.reshape(capacity, batch, self.lookback, columns),
            "y": y.reshape(capacity, batch, self.horizon, self.targets),
            "valid": np.clip(len(starts) - batch * np.arange(capacity), 0, batch).astype(np.int32),
        }


class Order(Protocol):
    """First rows of windows in the order in which they are wanted, made a slice at a time."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice) -> Indices: ...


class Passes:
    """An endless row of passes over the same windows, each in an order of its own.

    A pass is shuffled a pool at a time: blocks of neighbouring windows are drawn into a pool until it is
    full, and its windows are shuffled.  So what is in memory does not depend on how many windows there are,
    and neither does how much of the panel is in use at a time; where all windows are in one pool, it is a
    plain shuffle.
    """

    def __init__(self, starts: Starts, seed: int) -> None:
        """Over the windows that begin at ``starts``."""
        self._starts, self._seed = starts, seed
        self._number, self._edges = -1, np.zeros(1, np.int64)
        self._blocks = self._edges
        self._pool: tuple[int, int, Indices] | None = None  # of which pass, where in it, its windows

    def order(self, first: int, count: int) -> Order:
        """``count`` windows from the ``first`` of all on."""
        return _Stretch(self, first, count)

    def between(self, first: int, stop: int) -> Indices:
        """First rows of the windows from the ``first`` of all up to ``stop``."""
        pieces = [np.zeros(0, np.int64)]
        while first < stop:
            number, inside = divmod(first, len(self._starts))
            begin, windows = self._pool_at(number, inside)
            pieces.append(windows[inside - begin : inside - begin + stop - first])
            first += len(pieces[-1])
        return self._starts.at(np.concatenate(pieces))

    def _pool_at(self, number: int, inside: int) -> tuple[int, Indices]:
        """Where in its pass the pool begins that holds this window, and its windows."""
        if self._number != number:
            self._draw_blocks(number)
        block = int(np.searchsorted(self._edges, inside, side="right")) - 1
        which = block // (POOL // BLOCK)
        if self._pool is None or self._pool[:2] != (number, which):
            blocks = self._blocks[which * (POOL // BLOCK) : (which + 1) * (POOL // BLOCK)]
            windows = (blocks[:, None] * BLOCK + np.arange(BLOCK)).ravel()
            windows = windows[windows < len(self._starts)]
            np.random.default_rng([self._seed, number, which]).shuffle(windows)
            self._pool = number, which, windows
        return int(self._edges[which * (POOL // BLOCK)]), self._pool[2]

    def _draw_blocks(self, number: int) -> None:
        """The order of the blocks in a pass, and where in it each begins."""
        count = batches_of(len(self._starts), BLOCK)
        self._number, self._blocks = number, np.random.default_rng([self._seed, number]).permutation(count)
        sizes = np.full(count, BLOCK)
        sizes[self._blocks == count - 1] = len(self._starts) - (count - 1) * BLOCK
        self._edges = np.concatenate([[0], np.cumsum(sizes)])


@dataclass(frozen=True)
class _Stretch:
    """Some windows of a row of passes."""

    passes: Passes
    first: int
    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, part: slice) -> Indices:
        begin, stop, _ = part.indices(self.count)
        return self.passes.between(self.first + begin, self.first + stop)


def drawn(starts: Starts, count: int) -> Order:
    """At most ``count`` of the windows, drawn evenly, and the same ones whoever asks."""
    if len(starts) <= count:
        return starts
    # Not every so manieth: with a period of the series' own that would be one hour of all days.
    numbers = np.random.default_rng(0).choice(len(starts), count, replace=False, shuffle=False)
    return starts.at(np.sort(numbers))


def even_batch(windows: int) -> int:
    """The batch that evaluates ``windows`` in as few batches as there can be, all as full as each other."""
    return -(-windows // batches_of(windows, LARGEST_EVALUATED)) if windows else 1


def batches_of(windows: int, batch: int) -> int:
    """Batches in one pass over ``windows``."""
    return -(-windows // batch)
