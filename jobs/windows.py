"""Windows as index arithmetic: a window is the row at which its lookback begins, nothing is copied.

Training windows lie wholly inside the training part.  Validation and test windows have all their targets
inside their part; their inputs may begin up to one lookback before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jobs.dataspec import Split
from jobs.dimensions import Dimension
from jobs.errors import JobError
from jobs.npyfile import blocks
from jobs.panel import Indices, Panel
from jobs.params import WindowParams
from jobs.spec import Job

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Parts:
    """Where each series' parts begin, as row numbers of the panel; all arrays are (series,) int64."""

    train: Indices
    validation: Indices
    test: Indices
    end: Indices


@dataclass(frozen=True)
class Windows:
    """First rows of the windows of each part, (windows,) int64, in the order of the panel."""

    train: Indices
    validation: Indices
    test: Indices


@dataclass(frozen=True)
class Scaler:
    """Mean and standard deviation of each column over the training part, (columns,) float64."""

    mean: FloatArray
    deviation: FloatArray


def split_panel(panel: Panel, split: Split) -> Parts:
    """Divide every series into training, validation and test, from its end."""
    lengths = panel.lengths()
    end = panel.offsets[1:]
    test = end - _steps(lengths, split.test)
    validation = test - _steps(lengths, split.validation)
    begin = panel.offsets[:-1]
    return Parts(begin, np.maximum(validation, begin), np.maximum(test, begin), end)


def _steps(lengths: Indices, part: float) -> Indices:
    if part >= 1:
        return np.full_like(lengths, int(part))
    return np.floor(lengths * part + 1e-9).astype(np.int64)


def make_windows(parts: Parts, window: WindowParams) -> Windows:
    """All windows of all series."""
    return Windows(**{name: ranges.rows() for name, ranges in _ranges(parts, window).items()})


def count_windows(parts: Parts, window: WindowParams) -> dict[str, int]:
    """How many windows each part has, without making them."""
    return {name: int(ranges.counts().sum()) for name, ranges in _ranges(parts, window).items()}


@dataclass(frozen=True)
class _Ranges:
    """For each series the rows ``first, first + stride, … <= last``; both are (series,) int64."""

    first: Indices
    last: Indices
    stride: int

    def counts(self) -> Indices:
        return np.maximum((self.last - self.first) // self.stride + 1, 0)

    def rows(self) -> Indices:
        """All of them, without a Python loop over series and in no more memory than they take."""
        counts = self.counts()
        some = counts > 0
        first, counts = self.first[some], counts[some]
        rows = np.full(counts.sum(), self.stride, np.int64)
        begins = np.cumsum(counts) - counts  # where in ``rows`` each series begins: a jump, not a stride
        before = np.concatenate([[0], first[:-1] + (counts[:-1] - 1) * self.stride])[: len(first)]
        rows[begins] = first - before
        return np.cumsum(rows, out=rows)


def _ranges(parts: Parts, window: WindowParams) -> dict[str, _Ranges]:
    lookback, stride = window.lookback, window.evaluation_stride
    size = lookback + window.horizon
    return {
        "train": _Ranges(parts.train, parts.validation - size, window.stride),
        "validation": _Ranges(
            np.maximum(parts.validation - lookback, parts.train), parts.test - size, stride
        ),
        "test": _Ranges(np.maximum(parts.test - lookback, parts.train), parts.end - size, stride),
    }


def fit_scaler(panel: Panel, parts: Parts) -> Scaler:
    """Mean and deviation over the training part of all series; a constant column keeps deviation 1."""
    count = int((parts.validation - parts.train).sum())
    total = sum((rows.sum(axis=0) for rows in _training_rows(panel, parts)), np.zeros(len(panel.columns)))
    mean = total / max(count, 1)
    squares = np.zeros(len(panel.columns))
    for rows in _training_rows(panel, parts):
        squares += np.square(rows - mean).sum(axis=0)
    deviation = np.sqrt(squares / max(count, 1))
    deviation[deviation == 0] = 1.0
    return Scaler(mean, deviation)


def _training_rows(panel: Panel, parts: Parts) -> Iterator[FloatArray]:
    """The training part as float64, in pieces whose size does not depend on how long a series is."""
    for begin, stop in zip(parts.train, parts.validation, strict=True):
        for block in blocks(panel.rows[begin:stop]):
            yield block.astype(np.float64)


def check_windows(job: Job, panel: Panel) -> None:
    """See that every series holds a window and every part of the split holds one.

    Raises:
        JobError: names the series or the part, its length and what is needed.
    """
    lookback, horizon = _largest(job.window.lookback), job.window.horizon
    need = lookback + horizon
    lengths = panel.lengths()
    short = np.flatnonzero(lengths < need)
    if len(short):
        raise JobError(
            f"{job.data.path}: {named(panel, short)} has {lengths[short[0]]} steps, fewer than "
            f"window.lookback + window.horizon = {lookback} + {horizon} = {need}; "
            "shorten the window or drop the series"
        )
    widest = WindowParams(lookback, horizon, 1, job.window.evaluation_stride, "none")
    for part, count in count_windows(split_panel(panel, job.data.split), widest).items():
        if not count and (part != "test" or job.data.split.test):
            raise JobError(
                f"data.split: the {part} part holds no window of lookback {lookback} and horizon {horizon} "
                f"(series have {lengths.min()} to {lengths.max()} steps); change data.split or the window"
            )


def named(panel: Panel, found: Indices) -> str:
    """The first of the series that were found, and how many more there are."""
    who, more = panel.series[int(found[0])], len(found) - 1
    if who is None:
        return "the series"
    return f"series {who!r} (and {more} more)" if more else f"series {who!r}"


def _largest(lookback: int | Dimension) -> int:
    if isinstance(lookback, int):
        return lookback
    return max(int(value) for value in lookback.probes() if value is not None)
