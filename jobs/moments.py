"""Count, mean, variance and extremes of every column over the training part of every series."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.npyfile import BLOCK, blocks, let_go
from jobs.panel import Indices, Panel
from jobs.parts import Parts

_SAMPLED = 100_000  # rows

FloatArray = npt.NDArray[np.float64]
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
    shape = len(panel.series), len(panel.columns)
    count, origin, total, squares, least, most = (np.zeros(shape) for _ in range(6))
    for series, begins, rows in _segments(panel, parts):
        values = rows.astype(np.float64) if transform is None else transform(rows)
        new = series[~count[series].any(axis=1)]
        origin[new] = values[begins[np.isin(series, new)]]
        if extremes:
            least[new], most[new] = origin[new], origin[new]
            known_least, known_most = (_hidden(panel, rows, values, by) for by in (np.inf, -np.inf))
            least[series] = np.minimum(least[series], np.minimum.reduceat(known_least, begins))
            most[series] = np.maximum(most[series], np.maximum.reduceat(known_most, begins))
        sizes = np.diff(np.append(begins, len(rows)))
        away = values - (origin[series] if len(series) == 1 else np.repeat(origin[series], sizes, axis=0))
        away = _hidden(panel, rows, away, 0.0)
        count[series] += _known(panel, rows, begins, sizes)
        total[series] += np.add.reduceat(away, begins)
        squares[series] += np.add.reduceat(np.square(away), begins)
    known = np.maximum(count, 1)
    variance = np.maximum(squares - total**2 / known, 0) / known
    return Moments(count, np.where(count > 0, origin + total / known, 0), variance, least, most)


def _hidden(panel: Panel, rows: Any, values: FloatArray, by: float) -> FloatArray:
    """The values, ``by`` in the place of those that were missing."""
    if not panel.masks:
        return values
    values = values.copy()
    values[:, : panel.masks][rows[:, -panel.masks :] > 0] = by
    return values


def _known(panel: Panel, rows: Any, begins: Indices, sizes: Indices) -> FloatArray:
    """How many values of each stretch are known, (stretches, columns)."""
    found = np.repeat(sizes[:, None], rows.shape[1], axis=1).astype(np.float64)
    if panel.masks:
        found[:, : panel.masks] -= np.add.reduceat(rows[:, -panel.masks :], begins, dtype=np.float64)
    return found


def _segments(panel: Panel, parts: Parts) -> Iterator[tuple[Indices, Indices, Any]]:
    """The training part in blocks: whose rows they are, where each one's begin, and the rows."""
    offsets, rows = panel.offsets, panel.rows
    for begin in range(0, len(rows), BLOCK):
        block = rows[begin : begin + BLOCK]
        end = begin + len(block)
        inside = slice(np.searchsorted(offsets, begin, "right") - 1, np.searchsorted(offsets, end, "left"))
        first, last = (
            np.clip(part[inside] - begin, 0, len(block)) for part in (parts.train, parts.train_end)
        )
        sizes = np.maximum(last - first, 0)
        some = np.flatnonzero(sizes)
        if len(some):
            first, sizes = first[some], sizes[some]
            before = np.cumsum(sizes) - sizes
            if sizes.sum() < len(block):
                block = block[np.repeat(first - before, sizes) + np.arange(sizes.sum())]
            yield some + inside.start, before, block
        let_go(rows)


def training_sample(panel: Panel, parts: Parts) -> npt.NDArray[np.float32]:
    """Targets of at most 100,000 rows of the training part, drawn evenly, none of which was missing."""
    sizes = np.maximum(parts.train_end - parts.train, 0)
    before = np.concatenate([[0], np.cumsum(sizes)])
    count = min(int(before[-1]), _SAMPLED)
    numbers = np.sort(np.random.default_rng(0).choice(int(before[-1]), count, replace=False, shuffle=False))
    series = np.searchsorted(before, numbers, side="right") - 1
    rows = panel.rows[parts.train[series] + numbers - before[series]]
    if panel.masks:
        rows = rows[~(rows[:, -panel.masks :][:, : panel.targets] > 0).any(axis=1)]
    return rows[:, : panel.targets]


def least_targets(panel: Panel) -> FloatArray:
    """The least value of each target in the whole panel, (targets,)."""
    least = np.full(panel.targets, np.inf)
    for block in blocks(panel.rows):
        least = np.minimum(least, block[:, : panel.targets].min(axis=0))
    return least
