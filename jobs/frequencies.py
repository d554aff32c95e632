"""Panels in which two frequencies are mixed, in one series or among several."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jobs.clock import Times
from jobs.errors import JobError
from jobs.naming import when, whose
from jobs.panel import Panel
from jobs.runs import Flags
from jobs.spacing import Tally, in_words, neighbours

_FEWEST = 3  # distances that say what a series' step is
_STRETCH = 6  # alike distances on end that are a frequency of their own, at least
_CHANCE = 1e-3  # how likely it may be that gaps make such a stretch anywhere
_CANDIDATES = 16  # steps that are looked for in series that do not have the panel's
_LONGEST = 8  # stretches of a block of rows that are looked at


def check_spacing(panel: Panel, path: str) -> None:
    """See that a panel has one frequency, as far as its distances tell.

    Refused are: a series most of whose distances (of three at least) are another step than the panel's; one
    that has another distance so often on end that no gaps would do so, as where daily rows follow hourly
    ones; and rows between the steps that are themselves evenly apart, as where two were interleaved.
    Months, business days, trading hours and gaps are none of these, nor are times without any order.

    Args:
        panel: looked at more closely only where some distances are not the step.
        path: where its shards lie, which the sentence names.

    Raises:
        JobError: names the series and both steps.
    """
    if not panel.others():
        return
    step = panel.step()
    alike, total = _alike(panel, step), np.diff(panel.offsets) - 1
    unlike = (total >= _FEWEST) & (2 * alike < total)
    if unlike.any():
        _check_series(panel, path, unlike)
    for begin, distances, within in neighbours(panel.times, panel.offsets):
        if (distances[within] == step).all():
            continue
        rows = np.arange(begin, begin + len(distances))
        apart = np.where(within & ~unlike[_series(panel, rows)], distances, 0)
        found = _stretch(apart, step, panel.others()) or _between(
            apart, panel.times[begin : rows[-1] + 2], step
        )
        if found is not None:
            row = begin + found[0]
            both = sorted((step, found[1]))
            steps = " and ".join(in_words(each, panel.time_type) for each in both)
            raise _mixed(path, f"{whose(panel, row)} has steps of {steps}", when(panel, row))


def _check_series(panel: Panel, path: str, unlike: Flags) -> None:
    """Refuse a series, of these, most of whose distances are one that is not the panel's."""
    step, total = panel.step(), np.diff(panel.offsets) - 1
    tally = Tally()
    for begin, distances, within in neighbours(panel.times, panel.offsets):
        series = _series(panel, np.arange(begin, begin + len(distances)))
        tally.add(distances[within & unlike[series]])
    for other in tally.most(_CANDIDATES):
        if not _differ(other, step):
            continue
        alike = _alike(panel, other)
        found = np.flatnonzero(unlike & (2 * alike >= total))
        if len(found) and not _by_gaps(alike, total, found, other, step):
            row = int(panel.offsets[found[0]])
            its, most = (in_words(each, panel.time_type) for each in (other, step))
            raise _mixed(
                path, f"{whose(panel, row)} has steps of {its}, most others of {most}", when(panel, row)
            )


def _by_gaps(alike: Times, total: Times, found: Times, other: int, step: int) -> bool:
    """Whether gaps may have made these series have so many distances that are ``other``.

    They may where it is several steps, and where, were the gaps of all series spread evenly, some of so many
    series would have as many by chance.
    """
    if other % step:
        return False
    from scipy.stats import binom

    # Of the others: a few series of another frequency are not to be taken for everybody's gaps.
    rest = np.delete(np.arange(len(total)), found)
    share = alike[rest].sum() / max(total[rest].sum(), 1)
    chances = binom.sf(alike[found] - 1, total[found], share)
    return bool(np.min(chances) * len(total) > _CHANCE)


def _mixed(path: str, what: str, since: str) -> JobError:
    return JobError(
        f"{path}: {what} (from {since} on); write data.frequency to bring all to one, or choose rows of one "
        "with data.where"
    )


def _alike(panel: Panel, step: int) -> Times:
    """How many distances of each series are about so long, (series,)."""
    counts = np.zeros(len(panel.series), np.int64)
    for begin, distances, within in neighbours(panel.times, panel.offsets):
        series = _series(panel, begin + np.flatnonzero(within & (np.abs(distances - step) <= step // 8)))
        if len(series):
            some = np.bincount(series - series[0])
            counts[series[0] : series[0] + len(some)] += some
    return counts


def _series(panel: Panel, rows: Any) -> Times:
    return np.searchsorted(panel.offsets, rows, side="right") - 1


def _differ(one: Any, other: Any) -> Any:
    """Whether two distances are two steps, rather than months of two lengths."""
    return np.maximum(one, other) / 3 >= np.minimum(one, other) / 2


def _stretch(distances: Times, step: int, others: int) -> tuple[int, int] | None:
    """Where another distance than the step begins to come on end, too often for gaps; and which.

    ``distances`` are 0 where they are not to be looked at, such as between two series; ``others`` is how many
    of the whole panel are not the step, any of which may begin such a stretch.
    """
    starts = np.flatnonzero(np.diff(distances, prepend=-1))
    lengths = np.diff(starts, append=len(distances))
    values = distances[starts]
    other = np.flatnonzero((values > 0) & (lengths >= _STRETCH) & _differ(values, step))
    for which in other[np.argsort(-lengths[other])][:_LONGEST]:
        start, length, value = int(starts[which]), int(lengths[which]), int(values[which])
        bounds = np.flatnonzero(distances == 0)
        place = np.searchsorted(bounds, start)
        low = bounds[place - 1] + 1 if place else 0
        high = bounds[place] if place < len(bounds) else len(distances)
        count = int((distances[low:high] == value).sum())
        if others * _chance(count, int(high - low), length) < _CHANCE:
            return start, value
    return None


def _chance(count: int, total: int, length: int) -> float:
    """How likely a stretch so long is at one place if ``count`` of ``total`` are alike, in any order.

    Not more than half of them are, of a series that has the panel's step.
    """
    logarithm = sum(math.log((count - i) / (total - i)) for i in range(min(length, 64)))
    return math.exp(min(logarithm, length * math.log(0.5)))


def _between(distances: Times, times: Times, step: int) -> tuple[int, int] | None:
    """Where rows begin to be that part a step in two and are evenly apart; and how far."""
    left, right = distances[:-1], distances[1:]
    rows = np.flatnonzero((left > 0) & (right > 0) & (left + right == step)) + 1
    if len(rows) <= _STRETCH:
        return None
    series = np.cumsum(distances == 0)[rows]
    apart = np.where(np.diff(series) == 0, np.diff(times[rows]), 0)
    starts = np.flatnonzero(np.diff(apart, prepend=-1))
    lengths = np.diff(starts, append=len(apart))
    found = np.flatnonzero((apart[starts] > 0) & (lengths >= _STRETCH - 1) & _differ(apart[starts], step))
    return (int(rows[starts[found[0]]]), int(apart[starts[found[0]]])) if len(found) else None
