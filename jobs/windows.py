"""Windows as index arithmetic: a window is the row at which its lookback begins, nothing is copied.

Training windows lie wholly inside the training part.  Validation and test windows have all their targets
inside their part; their inputs may begin up to one lookback before it, in what a gap leaves out, too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jobs.errors import JobError
from jobs.panel import Indices, Panel
from jobs.params import WindowParams
from jobs.parts import Parts, folds_of, longest, short_series
from jobs.spec import Job


@dataclass(frozen=True)
class Starts:
    """First rows of a part's windows: a sequence of which nothing is held but where each series begins.

    Attributes:
        first: row of each series' first window, (series,).
        before: how many windows all earlier series have, (series + 1,).
        stride: rows between two windows of a series.
        channels: windows that begin at each row; where there are several, what stands for a window is its
            row times their number, plus its channel.
    """

    first: Indices
    before: Indices
    stride: int
    channels: int = 1

    def __len__(self) -> int:
        return int(self.before[-1]) * self.channels

    def at(self, numbers: Indices) -> Indices:
        """What stands for the windows with these numbers."""
        numbers, channel = np.divmod(numbers, self.channels)
        series = np.searchsorted(self.before, numbers, side="right") - 1
        return (self.first[series] + (numbers - self.before[series]) * self.stride) * self.channels + channel

    def __getitem__(self, part: slice) -> Indices:
        return self.at(np.arange(*part.indices(len(self))))


@dataclass(frozen=True)
class Windows:
    """The windows of each part, in the order of the panel."""

    train: Starts
    validation: Starts
    test: Starts


def make_windows(parts: Parts, window: WindowParams, channels: int = 1) -> Windows:
    """All windows of all series; of each target's own, if it is given how many ``channels`` there are."""
    ranges = _ranges(parts, window)
    return Windows(**{name: each.starts(channels) for name, each in ranges.items()})


def test_origins(parts: Parts, *windows: WindowParams) -> Starts:
    """First rows that are forecast in the test part's windows, of those that all of these ``windows`` allow.

    They have one horizon, and stride.
    """
    found = [_ranges(parts, window)["test"] for window in windows]
    pairs = list(zip(windows, found, strict=True))
    first = np.maximum.reduce([each.first + window.lookback for window, each in pairs])
    last = np.minimum.reduce([each.last + window.lookback for window, each in pairs])
    return _Ranges(first, last, found[0].stride).starts(1)


def count_windows(parts: Parts, window: WindowParams, channels: int = 1) -> dict[str, int]:
    """How many windows each part has."""
    return {name: len(each.starts(channels)) for name, each in _ranges(parts, window).items()}


@dataclass(frozen=True)
class _Ranges:
    """For each series the rows ``first, first + stride, … <= last``; both are (series,) int64."""

    first: Indices
    last: Indices
    stride: int

    def starts(self, channels: int) -> Starts:
        """The same, numbered."""
        counts = np.maximum((self.last - self.first) // self.stride + 1, 0)
        return Starts(self.first, np.concatenate([[0], np.cumsum(counts)]), self.stride, channels)


def _ranges(parts: Parts, window: WindowParams) -> dict[str, _Ranges]:
    lookback, stride = window.lookback, window.evaluation_stride
    size = lookback + window.horizon
    # A short window begins before its series: where it would, were there as many steps as the lookback.
    earliest = parts.train - (lookback - 1 if window.padded else 0)
    last = parts.train_end - size
    first = np.where(last < parts.train, np.maximum(last, earliest), parts.train)
    return {
        "train": _Ranges(first, last, window.stride),
        "validation": _Ranges(
            np.maximum(parts.validation - lookback, earliest), parts.validation_end - size, stride
        ),
        "test": _Ranges(np.maximum(parts.test - lookback, earliest), parts.end - size, stride),
    }


def check_windows(job: Job, panel: Panel) -> None:
    """See that every series holds a window and every part of the split holds one.

    Raises:
        JobError: names the series or the part, its length and what is needed.
    """
    lookback, horizon = longest(job.window.lookback), job.window.horizon
    lengths, short = panel.lengths(), short_series(job, panel)
    if len(short) and (job.data.short == "error" or len(short) == len(lengths)):
        needed = f"window.lookback + window.horizon = {lookback} + {horizon} = {lookback + horizon}"
        if job.data.short == "pad":
            needed = f"one and window.horizon = {horizon}"
        raise JobError(
            f"{job.data.path}: {named(panel, short)} has {lengths[short[0]]} steps, fewer than {needed}; "
            "shorten the window, drop the series or write data.short: leave_out or pad"
        )
    padded = job.data.short == "pad"
    widest = WindowParams(lookback, horizon, 1, job.window.evaluation_stride, "none", padded=padded)
    folds = folds_of(job, panel)
    for number, parts in enumerate(folds, start=1):
        for part, count in count_windows(parts, widest).items():
            if not count and (part != "test" or job.data.split.test):
                fold = f" of fold {number}" if len(folds) > 1 else ""
                raise JobError(
                    f"data.split: the {part} part{fold} holds no window of lookback {lookback} and horizon "
                    f"{horizon} (series have {lengths.min()} to {lengths.max()} steps); change data.split or "
                    "the window"
                )


def named(panel: Panel, found: Indices) -> str:
    """The first of the series that were found, and how many more there are."""
    who, more = panel.series[int(found[0])], len(found) - 1
    if who is None:
        return "the series"
    return f"series {who!r} (and {more} more)" if more else f"series {who!r}"
