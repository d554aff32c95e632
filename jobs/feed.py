"""Batches of windows, gathered from the shared rows by index as they are needed.

A pass's order depends on the trial's seed and the pass's number alone, so a resumed trial goes on with the
very batches it would have had.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.panel import Indices, Rows

LARGEST_EVALUATED = 1024  # windows in a batch: a step of a recurrence on fewer is mostly the calls it makes
MOST_BATCHES = 32  # in one call: enough that calling costs nothing, few enough to leave soon when asked to
_MOST_BYTES = 4 << 20  # of inputs in one call


@dataclass(frozen=True)
class Feed:
    """What every batch of a trial is made from.

    Attributes:
        rows: (steps, columns) raw values of the panel.
        lookback, horizon, targets: sizes of a window; targets are the first columns.
    """

    rows: Rows
    lookback: int
    horizon: int
    targets: int

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
        x[: len(starts)] = self.rows[starts[:, None] + np.arange(self.lookback)]
        ahead = starts[:, None] + np.arange(self.lookback, self.lookback + self.horizon)
        y[: len(starts)] = self.rows[ahead, : self.targets]
        return {
            "x": x.reshape(capacity, batch, self.lookback, columns),
            "y": y.reshape(capacity, batch, self.horizon, self.targets),
            "valid": np.clip(len(starts) - batch * np.arange(capacity), 0, batch).astype(np.int32),
        }


def shuffled(starts: Indices, *, seed: int, number: int) -> Indices:
    """The windows of one pass in its order."""
    return np.random.default_rng([seed, number]).permutation(starts)


class Passes:
    """An endless row of passes over the same windows, each in an order of its own."""

    def __init__(self, starts: Indices, seed: int) -> None:
        """Over the windows that begin at ``starts``."""
        self._starts, self._seed = starts, seed
        self._latest: tuple[int, Indices] | None = None  # a pass may be asked for part by part

    def order(self, first: int, count: int) -> Indices:
        """``count`` windows from the ``first`` of all on."""
        size, end = len(self._starts), first + count
        numbers = range(first // size, -(-end // size))
        pieces = [self._pass(n)[max(first - n * size, 0) : end - n * size] for n in numbers]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def _pass(self, number: int) -> Indices:
        if self._latest is None or self._latest[0] != number:
            self._latest = number, shuffled(self._starts, seed=self._seed, number=number)
        return self._latest[1]


def drawn(starts: Indices, count: int) -> Indices:
    """At most ``count`` of the windows, drawn evenly, and the same ones whoever asks."""
    if len(starts) <= count:
        return starts
    # Not every so manieth: with a period of the series' own that would be one hour of all days.
    return starts[np.sort(np.random.default_rng(0).choice(len(starts), count, replace=False))]


def even_batch(windows: int) -> int:
    """The batch that evaluates ``windows`` in as few batches as there can be, all as full as each other."""
    return -(-windows // batches_of(windows, LARGEST_EVALUATED)) if windows else 1


def batches_of(windows: int, batch: int) -> int:
    """Batches in one pass over ``windows``."""
    return -(-windows // batch)
