"""Count, mean, variance and extremes of every column over the training part of every series."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.npyfile import BLOCK, blocks, let_go
from jobs.panel import Indices, Panel
from jobs.parts import Parts

_SAMPLED = 100_000  # rows
_AT_ONCE = 1_000

FloatArray = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Transform = Callable[[Any], FloatArray]


@dataclass(frozen=True)
class Moments:
    """(series, columns) float64 each; 0 where a series has no training part.

    Attributes:
        count: values that are known.
        mean, variance: of them.
        least, most: of them, if they were asked for.
    """

    count: FloatArray
    mean: FloatArray
    variance: FloatArray
    least: FloatArray
    most: FloatArray

    @classmethod
    def of(cls, values: Any) -> Moments:
        """Of one or more rows (rows, columns) of one series."""
        rows = np.asarray(values, np.float64)
        away = rows - rows[0]  # of a column that is always the same, exactly 0
        found = (rows[0] + away.mean(axis=0), away.var(axis=0), rows.min(axis=0), rows.max(axis=0))
        return cls(np.full((1, rows.shape[1]), float(len(rows))), *(each[None] for each in found))

    def and_also(self, later: Moments) -> Moments:
        """Of the rows of both as of those of one series, (1, columns)."""
        pairs = ((getattr(self, field.name), getattr(later, field.name)) for field in fields(Moments))
        return Moments(*(np.concatenate(pair) for pair in pairs)).together()

    def together(self) -> Moments:
        """Of all series as if they were one, (1, columns): Chan, Golub & LeVeque (1979, STAN-CS-79-773)."""
        total = np.maximum(self.count.sum(axis=0, keepdims=True), 1)
        known = self.count > 0
        first = np.argmax(known, axis=0)
        origin = np.take_along_axis(self.mean, first[None], axis=0)  # so that equal means stay exactly equal
        away = np.where(known, self.mean - origin, 0)
        middle = (self.count * away).sum(axis=0, keepdims=True) / total
        spread = (self.count * (self.variance + np.square(away - middle))).sum(axis=0, keepdims=True)
        least = np.where(known, self.least, np.inf).min(axis=0, keepdims=True)
        most = np.where(known, self.most, -np.inf).max(axis=0, keepdims=True)
        any_ = known.any(axis=0, keepdims=True)
        return Moments(
            self.count.sum(axis=0, keepdims=True),
            origin + middle,
            spread / total,
            np.where(any_, least, 0),
            np.where(any_, most, 0),
        )


def training_moments(
    panel: Panel, parts: Parts, transform: Transform | None = None, *, extremes: bool = False
) -> Moments:
    """Read the training part once, a block at a time; values that were missing do not count.

    Args:
        panel: the series.
        parts: how they are divided.
        transform: (rows, columns) to what is looked at.
        extremes: find the least and the most, too.
    """
    hidden = partial(_masked, panel) if panel.masks else None
    return moments(panel, parts.train, parts.train_end, transform, hidden, extremes=extremes)


def moments(
    panel: Panel,
    begins: Indices,
    ends: Indices,
    transform: Transform | None = None,
    hidden: Callable[[Any], Flags] | None = None,
    *,
    extremes: bool = False,
) -> Moments:
    """As ``training_moments``, of the rows ``begins`` to ``ends`` of each series, (series,) each.

    ``hidden`` says which values (rows, columns) do not count; without it all of them do.
    """
    shape = len(panel.series), len(panel.columns)
    count, origin, total, squares, least, most = (np.zeros(shape) for _ in range(6))
    for series, starts, rows in segments(panel, begins, ends):
        values = rows.astype(np.float64) if transform is None else transform(rows)
        known = np.ones(values.shape, bool) if hidden is None else ~hidden(rows)
        if hidden is not None:
            values = np.where(known, values, 0)
        sizes = np.diff(np.append(starts, len(rows)))
        new = count[series] == 0  # the first value that is known is what others are counted from
        origin[series] = np.where(
            new, values[_first(known, starts, sizes), np.arange(shape[1])], origin[series]
        )
        if extremes:
            lows, highs = (
                reduce.reduceat(np.where(known, values, far), starts)
                for reduce, far in ((np.minimum, np.inf), (np.maximum, -np.inf))
            )
            least[series] = np.where(new, lows, np.minimum(least[series], lows))
            most[series] = np.where(new, highs, np.maximum(most[series], highs))
        away = values - (origin[series] if len(series) == 1 else np.repeat(origin[series], sizes, axis=0))
        if hidden is None:
            count[series] += sizes[:, None]
        else:
            away = np.where(known, away, 0)
            count[series] += np.add.reduceat(known, starts, dtype=np.float64)
        total[series] += np.add.reduceat(away, starts)
        squares[series] += np.add.reduceat(np.square(away), starts)
    there = count > 0
    known_ = np.maximum(count, 1)
    variance = np.maximum(squares - total**2 / known_, 0) / known_
    mean, least, most = (np.where(there, each, 0) for each in (origin + total / known_, least, most))
    return Moments(count, mean, variance, least, most)


def _masked(panel: Panel, rows: Any) -> Flags:
    found = np.zeros(rows.shape, bool)
    found[:, : panel.masks] = rows[:, -panel.masks :] != 0
    return found


def _first(known: Flags, starts: Indices, sizes: Indices) -> Indices:
    """Of each stretch and column the first row that is known, or its first; (stretches, columns)."""
    rows = np.where(known, np.arange(len(known))[:, None], len(known))
    first = np.minimum.reduceat(rows, starts)
    return np.where(first < (starts + sizes)[:, None], first, starts[:, None])


def segments(panel: Panel, begins: Indices, ends: Indices) -> Iterator[tuple[Indices, Indices, Any]]:
    """These rows of each series in blocks: whose they are, where each one's begin, and the rows."""
    offsets, rows = panel.offsets, panel.rows
    for begin in range(0, len(rows), BLOCK):
        block = rows[begin : begin + BLOCK]
        end = begin + len(block)
        inside = slice(np.searchsorted(offsets, begin, "right") - 1, np.searchsorted(offsets, end, "left"))
        first, last = (np.clip(edge[inside] - begin, 0, len(block)) for edge in (begins, ends))
        sizes = np.maximum(last - first, 0)
        some = np.flatnonzero(sizes)
        if len(some):
            first, sizes = first[some], sizes[some]
            before = np.cumsum(sizes) - sizes
            if sizes.sum() < len(block):
                block = block[np.repeat(first - before, sizes) + np.arange(sizes.sum())]
            yield some + inside.start, before, block
        let_go(rows)


def training_sample(panel: Panel, parts: Parts) -> tuple[npt.NDArray[np.float32], Flags]:
    """Targets of at most 100,000 rows of the training part, drawn evenly, and which of them are known."""
    sizes = np.maximum(parts.train_end - parts.train, 0)
    before = np.concatenate([[0], np.cumsum(sizes)])
    count = min(int(before[-1]), _SAMPLED)
    numbers = np.sort(np.random.default_rng(0).choice(int(before[-1]), count, replace=False, shuffle=False))
    series = np.searchsorted(before, numbers, side="right") - 1
    index = parts.train[series] + numbers - before[series]
    rows = np.empty((count, len(panel.columns)), np.float32)
    for begin in range(0, count, _AT_ONCE):  # each row may bring many more into memory
        rows[begin : begin + _AT_ONCE] = panel.rows[index[begin : begin + _AT_ONCE]]
        let_go(panel.rows)
    known = np.ones((count, panel.targets), bool)
    if panel.masks:
        known = rows[:, -panel.masks :][:, : panel.targets] == 0
    return rows[:, : panel.targets], known


def least_targets(panel: Panel) -> FloatArray:
    """The least value of each target in the whole panel, (targets,)."""
    least = np.full(panel.targets, np.inf)
    for block in blocks(panel.rows):
        least = np.minimum(least, block[:, : panel.targets].min(axis=0))
    return least
