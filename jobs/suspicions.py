"""What looks wrong in a panel that can be read: series that say nothing, jumps, parts that differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.moments import Moments, moments, segments
from jobs.naming import when, whose
from jobs.panel import Indices, Panel
from jobs.parts import Parts
from jobs.problems import Problem

_NEARLY = 1e-6  # of its size, that a series' deviation is at most if it is nearly constant
_SCALES = 1e3  # times larger than the smallest, from where on series differ in scale
_JUMP = 20.0  # standard deviations of a series' steps
_SHIFTED = 1.5  # standard deviations of the training part, that the validation part's mean lies away
_WIDENED = 4.0  # times the deviation of the training part

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Profile:
    """What there is in each column of all series, (columns,) each: ``count`` of known values and so on."""

    columns: tuple[str, ...]
    count: FloatArray
    mean: FloatArray
    deviation: FloatArray
    least: FloatArray
    most: FloatArray


def unknown(rows: Any) -> npt.NDArray[np.bool_]:
    """Which values are missing, of rows that have NaN in their place."""
    return np.isnan(rows)


def profile_of(panel: Panel, found: Moments) -> Profile:
    """The moments of each series as one profile of the columns."""
    whole = found.together()
    values = (whole.count, whole.mean, np.sqrt(whole.variance), whole.least, whole.most)
    return Profile(panel.columns, *(each[0] for each in values))


def suspicions(panel: Panel, parts: Parts, found: Moments) -> Iterator[Problem]:
    """Everything that looks wrong, as warnings.

    Args:
        panel: with NaN for what is missing.
        parts: how a run would divide it.
        found: moments and extremes of each whole series.
    """
    yield from _gaps(panel)
    yield from _constant(panel, found)
    yield from _scales(panel, found)
    yield from _jumps(panel)
    yield from _shift(panel, parts)


def _gaps(panel: Panel) -> Iterator[Problem]:
    gaps = panel.gaps()
    if gaps:
        many = "gap is" if gaps == 1 else "gaps are"
        said = f"{gaps:,} {many} longer than {panel.frequency()}; data.missing fills them, else windows cross"
        yield Problem("warning", "gaps", said, count=gaps)


def _constant(panel: Panel, found: Moments) -> Iterator[Problem]:
    size = np.maximum(np.abs(found.mean), np.abs(found.most))
    constant = (found.count > 1) & (found.least == found.most)
    nearly = (found.count > 1) & ~constant & (np.sqrt(found.variance) < _NEARLY * size)
    for kind, which in (("constant", constant), ("nearly constant", nearly)):
        for column, name in enumerate(panel.columns):
            series = np.flatnonzero(which[:, column])
            if len(series):
                said = f"column {name!r} is {kind} in {_of_series(panel, series)}"
                yield Problem("warning", kind, said, name, panel.series[series[0]], count=len(series))


def _scales(panel: Panel, found: Moments) -> Iterator[Problem]:
    for column, name in enumerate(panel.columns):
        sizes = np.sqrt(np.square(found.mean) + found.variance)[:, column]
        known = np.flatnonzero((found.count[:, column] > 1) & (sizes > 0))
        if len(known) < 2:
            continue
        small, large = known[np.argmin(sizes[known])], known[np.argmax(sizes[known])]
        if sizes[large] > _SCALES * sizes[small]:
            said = (
                f"column {name!r} is {sizes[large] / sizes[small]:.3g} times larger in series "
                f"{panel.series[large]!r} than in series {panel.series[small]!r}; "
                "window.scale_by: series or a transform may help"
            )
            yield Problem("warning", "scales", said, name, panel.series[large])


def _jumps(panel: Panel) -> Iterator[Problem]:
    """Steps between neighbouring rows that are very much larger than the series' own."""
    shape = len(panel.series), len(panel.columns)
    count, squares = np.zeros(shape), np.zeros(shape)
    for series, starts, steps, _ in _steps(panel):
        count[series] += np.add.reduceat(~np.isnan(steps), starts, dtype=np.float64)
        squares[series] += np.add.reduceat(np.square(np.nan_to_num(steps)), starts)
    limit = _JUMP * np.sqrt(squares / np.maximum(count, 1))
    counts, first = np.zeros(shape[1], np.int64), np.full(shape[1], -1, np.int64)
    for series, starts, steps, rows in _steps(panel):
        sizes = np.diff(np.append(starts, len(steps)))
        large = np.abs(np.nan_to_num(steps)) > np.repeat(np.maximum(limit[series], 1e-30), sizes, axis=0)
        first = np.where((first < 0) & large.any(axis=0), rows[np.argmax(large, axis=0)], first)
        counts += large.sum(axis=0)
    for column in np.flatnonzero(counts):
        name, row = panel.columns[column], int(first[column])
        before, after = panel.rows[row - 1, column], panel.rows[row, column]
        said = (
            f"column {name!r} jumps {counts[column]:,} times by more than {_JUMP:g} standard deviations of "
            f"its steps, first from {before:g} to {after:g} at {when(panel, row)} in {whose(panel, row)}"
        )
        own = panel.series[int(np.searchsorted(panel.offsets, row, side="right")) - 1]
        yield Problem("warning", "jumps", said, name, own, count=int(counts[column]))


def _steps(panel: Panel) -> Iterator[tuple[Indices, Indices, FloatArray, Indices]]:
    """Differences between neighbouring rows of one series in blocks: whose, where each one's begin, and which
    row each leads to.
    """  # noqa: D205
    last: Any = None
    row = 0
    for series, starts, rows in segments(panel, panel.offsets[:-1], panel.offsets[1:]):
        steps = np.full(rows.shape, np.nan)
        steps[1:] = np.diff(rows.astype(np.float64), axis=0)
        steps[starts] = np.nan
        if last is not None and last[0] == series[0]:
            steps[0] = rows[0] - last[1]
        yield series, starts, steps, row + np.arange(len(rows))
        last, row = (series[-1], rows[-1].astype(np.float64)), row + len(rows)


def _shift(panel: Panel, parts: Parts) -> Iterator[Problem]:
    train, validation = (
        moments(panel, begin, end, hidden=unknown).together()
        for begin, end in ((parts.train, parts.train_end), (parts.validation, parts.validation_end))
    )
    for column, name in enumerate(panel.columns):
        spread = float(np.sqrt(train.variance[0, column]))
        if not train.count[0, column] or not validation.count[0, column] or not spread:
            continue
        away = float(validation.mean[0, column] - train.mean[0, column]) / spread
        wider = float(np.sqrt(validation.variance[0, column])) / spread
        if abs(away) > _SHIFTED:
            where = "above" if away > 0 else "below"
            said = (
                f"column {name!r} lies {abs(away):.1f} training deviations {where} its training mean in "
                "validation; window.scale: instance may help"
            )
            yield Problem("warning", "shift", said, name)
        elif not 1 / _WIDENED < wider < _WIDENED:
            said = f"column {name!r} varies {wider:.2g} times as much in validation as in training"
            yield Problem("warning", "shift", said, name)


def _of_series(panel: Panel, found: Indices) -> str:
    if panel.series[0] is None:
        return "the series"
    return f"{len(found):,} of {len(panel.series):,} series, the first {panel.series[found[0]]!r}"
