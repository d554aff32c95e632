"""Every series divided into training, validation and test, from its end."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd

from jobs.clock import zone_of
from jobs.dataspec import Split
from jobs.dimensions import Dimension
from jobs.errors import JobError
from jobs.panel import Indices, Panel
from jobs.searchable import possible
from jobs.spec import Job


@dataclass(frozen=True)
class Parts:
    """Where each series' parts begin and end, as row numbers of the panel; all arrays are (series,) int64.

    A part ends where the next begins, or a gap before it.
    """

    train: Indices
    train_end: Indices
    validation: Indices
    validation_end: Indices
    test: Indices
    end: Indices


def split_panel(panel: Panel, split: Split) -> Parts:
    """Divide every series.

    Raises:
        JobError: the split names a date and the panel's times are whole numbers.
    """
    begin, end = panel.offsets[:-1], panel.offsets[1:]
    test = _before(panel, end, split.test, "test")
    validation = _before(panel, test, split.validation, "validation")
    return Parts(
        train=begin,
        train_end=np.maximum(validation - split.gap, begin),
        validation=validation,
        validation_end=np.maximum(test - split.gap, validation),
        test=test,
        end=end,
    )


def split_folds(panel: Panel, split: Split) -> tuple[Parts, ...]:
    """Every fold of a split, the one with the longest training part last; see ``Split``.

    Each has the test part of all, and its own validation part is as long as the last one's.

    Raises:
        JobError: see ``split_panel``.
    """
    last = split_panel(panel, split)
    length = last.test - last.validation
    folds = []
    for back in reversed(range(split.folds)):
        validation = np.maximum(last.validation - back * length, last.train)
        end = np.maximum(last.validation_end - back * length, last.train)
        train_end = np.maximum(validation - split.gap, last.train)
        folds.append(replace(last, train_end=train_end, validation=validation, validation_end=end))
    return tuple(folds)


def _before(panel: Panel, end: Indices, part: float | str, name: str) -> Indices:
    """Where a part begins that is followed by what begins at ``end``."""
    begin, lengths = panel.offsets[:-1], panel.lengths()
    if isinstance(part, str):
        moment = _moment(panel, part, name)
        pairs = zip(panel.offsets[:-1].tolist(), end.tolist(), strict=True)
        found = (first + np.searchsorted(panel.times[first:last], moment) for first, last in pairs)
        return np.fromiter(found, np.int64, len(begin))
    steps = int(part) if part >= 1 else np.floor(lengths * part + 1e-9).astype(np.int64)
    return np.maximum(end - steps, begin)


def _moment(panel: Panel, date: str, name: str) -> int:
    """A date as the panel's times have it; without a zone of its own it is the series' clock's."""
    if panel.time_type == "int64":
        raise JobError(
            f"data.split.{name}: {date} is a date, and the data's times are whole numbers; "
            "give a fraction or a number of time steps"
        )
    stamp, zone = pd.Timestamp(date), zone_of(panel.time_type)
    if stamp.tzinfo is None:
        stamp = stamp.tz_localize(zone or "UTC")
    return int(stamp.as_unit("ns").value)


def parts_of(job: Job, panel: Panel) -> Parts:
    """The job's split, of its folds the last; series that are left out have no part, whatever the lookback.

    Raises:
        JobError: as ``split_panel``.
    """
    return folds_of(job, panel)[-1]


def folds_of(job: Job, panel: Panel) -> tuple[Parts, ...]:
    """All folds of the job's split; series that are left out have no part, whatever the lookback.

    Raises:
        JobError: as ``split_panel``.
    """
    folds = split_folds(panel, job.data.split)
    if job.data.short == "error":
        return folds
    short = np.zeros(len(panel.series), dtype=bool)
    short[short_series(job, panel)] = True
    return tuple(
        Parts(
            **{field.name: np.where(short, parts.end, getattr(parts, field.name)) for field in fields(Parts)}
        )
        for parts in folds
    )


def short_series(job: Job, panel: Panel) -> Indices:
    """Numbers of the series that are shorter than a window of the longest lookback, or of a single step."""
    lookback = 1 if job.data.short == "pad" else longest(job.window.lookback)
    return np.flatnonzero(panel.lengths() < lookback + job.window.horizon)


def longest(lookback: int | Dimension) -> int:
    """The longest lookback that the search may give."""
    return max(int(value) for value in possible(lookback) if value is not None)
