"""What values are scaled by, fitted on the training part alone."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jobs.npyfile import BLOCK, let_go
from jobs.panel import Panel
from jobs.parts import Parts

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scaler:
    """Mean and standard deviation of each column over the training part, (columns,) float64."""

    mean: FloatArray
    deviation: FloatArray


class Moments:
    """Means and deviations of rows that come in blocks, each of which is held only while it is added.

    The blocks' moments are put together as in Chan, Golub & LeVeque (1979, STAN-CS-79-773).
    """

    def __init__(self, columns: int) -> None:
        self._count = 0
        self._origin, self._mean, self._squares = np.zeros(columns), np.zeros(columns), np.zeros(columns)

    def add(self, rows: npt.NDArray[np.float32]) -> None:
        """Take in one or more rows, (rows, columns)."""
        if not self._count:
            self._origin = rows[0].astype(
                np.float64
            )  # a column that is always so has a deviation of exactly 0
        values = rows - self._origin
        middle = values.mean(axis=0)
        away, total = middle - self._mean, self._count + len(values)
        between = away**2 * (self._count * len(values) / total)
        self._squares += np.square(values - middle).sum(axis=0) + between
        self._mean += away * (len(values) / total)
        self._count = total

    def scaler(self) -> Scaler:
        """What has been seen; a constant column has deviation 1."""
        deviation = np.sqrt(self._squares / max(self._count, 1))
        deviation[deviation == 0] = 1.0
        return Scaler(self._origin + self._mean, deviation)


def scaler_of(panel: Panel, parts: Parts) -> Scaler:
    """As ``fit_scaler``; kept beside a mapped panel's files, so that a node's processes read it once."""
    if panel.folder is None:
        return fit_scaler(panel, parts)
    digest = hashlib.sha256(parts.train.tobytes() + parts.train_end.tobytes()).hexdigest()[:16]
    path = panel.folder / f"scaler-{digest}.npy"
    with suppress(OSError, ValueError):
        return Scaler(*np.load(path))
    scaler = fit_scaler(panel, parts)
    with suppress(OSError):  # the cache may have lost the panel meanwhile
        partial = path.with_name(f".{path.name}.{os.getpid()}.npy")
        np.save(partial, np.stack([scaler.mean, scaler.deviation]))
        partial.replace(path)
    return scaler


def fit_scaler(panel: Panel, parts: Parts) -> Scaler:
    """Mean and deviation over the training part of all series; a constant column keeps deviation 1.

    The rows are read once, a block at a time.
    """
    moments = Moments(len(panel.columns))
    for rows in _training_rows(panel, parts):
        moments.add(rows)
    return moments.scaler()


def _training_rows(panel: Panel, parts: Parts) -> Iterator[npt.NDArray[np.float32]]:
    """The training part in blocks, however long or short its series are."""
    offsets, rows = panel.offsets, panel.rows
    for begin in range(0, len(rows), BLOCK):
        block = rows[begin : begin + BLOCK]
        end = begin + len(block)
        inside = slice(np.searchsorted(offsets, begin, "right") - 1, np.searchsorted(offsets, end, "left"))
        edges = np.zeros(len(block) + 1, np.int64)
        np.add.at(edges, np.clip(parts.train[inside] - begin, 0, len(block)), 1)
        np.add.at(edges, np.clip(parts.train_end[inside] - begin, 0, len(block)), -1)
        training = np.cumsum(edges[:-1]) > 0
        if training.any():
            yield block if training.all() else block[training]
        let_go(rows)
