"""Batches of windows, gathered from the shared rows by index as they are needed.

A pass's order depends on the trial's seed and the pass's number alone, so a resumed trial goes on with the
very batches it would have had.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from jobs.cut import Cutter
from jobs.panel import Indices
from jobs.scaling import Scaler
from jobs.windows import Starts

LARGEST_EVALUATED = 1024  # windows in a batch: a step of a recurrence on fewer is mostly the calls it makes
MOST_BATCHES = 32  # in one call: enough that calling costs nothing, few enough to leave soon when asked to
BLOCK = 1 << 10  # neighbouring windows that are shuffled together
POOL = 1 << 20  # windows that are shuffled at a time
_BETWEEN_LOOKS = 128  # windows; the kernel may map half a megabyte for each
_MOST_BYTES = 4 << 20  # of inputs in one call

Batches = dict[str, Any]


@dataclass(frozen=True)
class Feed:
    """What every batch of a trial is made from.

    Attributes:
        cutter: cuts windows out of the panel.
        scaler: what they are scaled by.
    """

    cutter: Cutter
    scaler: Scaler

    def capacity(self, batch: int) -> int:
        """How many batches go into one call."""
        size = batch * self.cutter.window.lookback * self.cutter.inputs * 4
        return max(1, min(MOST_BATCHES, _MOST_BYTES // size))

    def gather(self, starts: Indices, *, batch: int, capacity: int, sequence: bool = False) -> Batches:
        """The windows that ``starts`` stand for, at most ``capacity * batch`` of them, scaled.

        Returns:
            What ``Cutter`` cuts, each array (capacity, batch, …), zeros where there is no window; ``valid``,
            the windows in each batch, (capacity,) int32.
        """
        pages, room = self.cutter.panel.pages, capacity * batch
        at_once = _BETWEEN_LOOKS if pages is not None and pages.limited else room
        pieces = []
        for begin in range(0, max(len(starts), 1), at_once):
            pieces.append(self._scaled(starts[begin : begin + at_once], sequence=sequence))
            if pages is not None:
                pages.ease()
        found = {name: _filled_up([piece[name] for piece in pieces], room) for name in pieces[0]}
        found = {name: each.reshape(capacity, batch, *each.shape[1:]) for name, each in found.items()}
        return found | {
            "valid": np.clip(len(starts) - batch * np.arange(capacity), 0, batch).astype(np.int32)
        }

    def _scaled(self, starts: Indices, *, sequence: bool) -> Batches:
        cutter, powers = self.cutter, self.scaler.powers
        found = cutter.inputs_of(starts) | cutter.ahead_of(starts, sequence=sequence)
        if powers is not None:
            own = powers.of(starts % cutter.channels) if cutter.separate else powers
            for name in ("x", "y"):
                found[name][:, :, : cutter.targets] = own.raised(np, found[name][:, :, : cutter.targets])
        centre, spread = self._columns(starts)
        for name, part in (("x", slice(None)), ("y", slice(cutter.targets)), ("ahead", cutter.known)):
            if name in found:
                found[name] = _scale(found[name], centre[:, :, part], spread[:, :, part])
        return found

    def _columns(self, starts: Indices) -> tuple[Any, Any]:
        """Centre and spread of the windows' columns, (windows or 1, 1, inputs)."""
        cutter = self.cutter
        both = self.scaler.of(cutter.series(starts) if len(self.scaler.centre) > 1 else starts)
        if not cutter.separate:
            return both
        width = both[0].shape[2]
        static = np.arange(width - len(cutter.panel.statics), width)
        which = cutter.columns[starts % cutter.channels]
        which = np.concatenate([which, np.tile(static, (len(which), 1))], axis=1)[:, None]
        return tuple(
            np.take_along_axis(np.broadcast_to(each, (len(which), *each.shape[1:])), which, axis=2)
            for each in both
        )  # type: ignore[return-value]


def _scale(values: Any, centre: Any, spread: Any) -> Any:
    """Values (windows, steps, columns), nobody else's, by centre and spread (windows or 1, 1, columns)."""
    if len(centre) > 1:
        return (values - centre) / spread
    # One long row a window: NumPy takes far longer over many rows of a few columns.
    flat = np.ascontiguousarray(values).reshape(len(values), math.prod(values.shape[1:]))
    for each, by in ((np.subtract, centre), (np.divide, spread)):
        each(flat, np.tile(by[0], (values.shape[1], 1)).ravel(), out=flat)
    return flat.reshape(values.shape)


def _filled_up(pieces: list[Any], room: int) -> Any:
    """The pieces in one array for so many windows; zeros follow them."""
    if len(pieces) == 1 and len(pieces[0]) == room:
        return pieces[0]
    found = np.zeros((room, *pieces[0].shape[1:]), pieces[0].dtype)
    np.concatenate(pieces, out=found[: sum(map(len, pieces))])
    return found


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
