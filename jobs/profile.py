"""What each column was like when a model was trained, and what the newest rows are like beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.errors import JobError
from jobs.npyfile import let_go
from jobs.panel import Indices, Panel
from jobs.parts import Parts
from jobs.schedulespec import Drift

_ROWS = 1_000_000  # that a profile is made of at most,
_VALUES = 20_000_000  # and so many values of all columns
_AT_ONCE = 1_000  # rows, each of which may bring many more into memory
_SHARES = np.arange(1, 100)  # percent
_FEW = 24  # known values, of which fewer say nothing about a distribution
_USUAL = 5  # percentiles, that a value is if it is a usual one
_SAME = 1e-6  # of its size, by which a value may be another and be the same
_CHANCE = 1.63  # times the root of 1/n + 1/m: what two samples of one distribution may be apart (1 %)


@dataclass(frozen=True)
class Column:
    """What the values of a column are like; all 0, and no percentiles, where none is known.

    Attributes:
        known: how many values were looked at.
        missing: share of those that were not there.
        mean, deviation: of the known ones, in the column's own unit.
        percentiles: 99 of them, from 1 % to 99 %.
    """

    known: int
    missing: float
    mean: float = 0.0
    deviation: float = 0.0
    percentiles: tuple[float, ...] = ()

    @classmethod
    def of(cls, values: npt.NDArray[np.float32], known: npt.NDArray[np.bool_]) -> Column:
        """Of values (rows,), some of which are known (rows,)."""
        there = values[known].astype(np.float64)
        missing = _short(1 - len(there) / len(values)) if len(values) else 0.0
        if not len(there):
            return cls(0, missing)
        percentiles = tuple(map(_short, np.percentile(there, _SHARES)))
        return cls(len(there), missing, _short(there.mean()), _short(there.std()), percentiles)


def _short(value: float) -> float:
    """With the digits that a float32 has, so that a profile is short in JSON and comes back the same."""
    return float(f"{value:.9g}")


@dataclass(frozen=True)
class Profile:
    """The columns of some rows of all series together: targets and covariates, without the calendar."""

    columns: Mapping[str, Column]

    def to_json(self) -> dict[str, Any]:
        """Plain values that ``from_json`` turns back into the same profile."""
        return {
            name: asdict(column) | {"percentiles": list(column.percentiles)}
            for name, column in self.columns.items()
        }

    @classmethod
    def from_json(cls, raw: Any) -> Profile:
        """The inverse of ``to_json``.

        Raises:
            JobError: it is no profile.
        """
        try:
            return cls({str(name): _column(fields) for name, fields in raw.items()})
        except (TypeError, ValueError, AttributeError, KeyError):
            raise JobError("the profile of the data is not as Recur writes it") from None


def _column(raw: Mapping[str, Any]) -> Column:
    percentiles = tuple(float(value) for value in raw["percentiles"])
    numbers = {name: float(raw[name]) for name in ("missing", "mean", "deviation")}
    if not all(map(math.isfinite, (*numbers.values(), *percentiles))):
        raise ValueError(raw)
    if len(percentiles) != (len(_SHARES) if raw["known"] else 0) or sorted(percentiles) != [*percentiles]:
        raise ValueError(raw)
    return Column(int(raw["known"]), percentiles=percentiles, **numbers)


def profile_of(panel: Panel, parts: Parts) -> Profile:
    """The training part, which a model trained on these parts has seen."""
    return _profile(panel, parts.train, parts.train_end)


def newest_of(panel: Panel, parts: Parts) -> Profile:
    """The newest rows: the test part, or the validation part where there is no test."""
    if (parts.end > parts.test).any():
        return _profile(panel, parts.test, parts.end)
    return _profile(panel, parts.validation, parts.validation_end)


def _profile(panel: Panel, begins: Indices, ends: Indices) -> Profile:
    rows = _sample(panel, begins, ends)
    known = np.isfinite(rows)
    if panel.masks:
        known[:, : panel.masks] &= rows[:, -panel.masks :] == 0
    names = panel.columns[: len(panel.columns) - panel.masks - panel.calendar]
    return Profile({name: Column.of(rows[:, index], known[:, index]) for index, name in enumerate(names)})


def _sample(panel: Panel, begins: Indices, ends: Indices) -> npt.NDArray[np.float32]:
    """These rows (rows, columns), or as many as are looked at: one drawn of each of so many stretches."""
    sizes = np.maximum(ends - begins, 0)
    before = np.concatenate([[0], np.cumsum(sizes)])
    total = int(before[-1])
    count = min(total, _ROWS, _VALUES // max(1, len(panel.columns)))
    places = np.arange(count, dtype=np.float64)
    if count < total:
        places += np.random.default_rng(0).random(count)
    numbers = np.minimum((places * (total / max(count, 1))).astype(np.int64), total - 1)
    series = np.searchsorted(before, numbers, side="right") - 1
    index = begins[series] + numbers - before[series]
    rows = np.empty((count, len(panel.columns)), np.float32)
    for begin in range(0, count, _AT_ONCE):
        rows[begin : begin + _AT_ONCE] = panel.rows[index[begin : begin + _AT_ONCE]]
        let_go(panel.rows)
    return rows


def drifts(trained: Profile, newest: Profile, limits: Drift) -> list[str]:
    """How the newest rows are unlike those that a model was trained on: a sentence for each column and kind.

    Args:
        trained: what the model was trained on.
        newest: the rows of today.
        limits: how far they may be apart.
    """
    names = dict.fromkeys((*trained.columns, *newest.columns))
    return [
        f"column {name!r} {said}"
        for name in names
        for said in _between(trained.columns.get(name), newest.columns.get(name), limits)
    ]


def _between(before: Column | None, now: Column | None, limits: Drift) -> Iterator[str]:
    if before is None or now is None:
        yield "is gone, and was there in training" if now is None else "is new, and was not there in training"
        return
    if now.missing - before.missing > limits.missing:
        yield f"lacks {now.missing:.0%} of its values, and {before.missing:.0%} in training"
    if min(before.known, now.known) < _FEW:
        return
    yield from _rescaled(before, now, limits.scale)
    distance = _distance(before, now)
    chance = _CHANCE * math.sqrt(1 / before.known + 1 / now.known)
    if distance > limits.shift + (1 - limits.shift) * chance:  # which grows smaller towards 1
        yield (
            f"has a median of {_median(now):.4g}, and {_median(before):.4g} in training; the distributions "
            f"are {distance:.2f} apart (Kolmogorov-Smirnov)"
        )


def _rescaled(before: Column, now: Column, limit: float) -> Iterator[str]:
    constant = [column.deviation <= _SAME * abs(column.mean) for column in (before, now)]
    if all(constant):
        return
    if constant[0]:
        yield f"has a standard deviation of {now.deviation:.4g}, and was always {before.mean:.4g} in training"
    elif constant[1]:
        usual = sum(abs(value - now.mean) <= _SAME * abs(now.mean) for value in before.percentiles)
        if usual < _USUAL:
            spread = f"{before.deviation:.4g} in training"
            yield f"is always {now.mean:.4g}, and had a standard deviation of {spread}"
    elif not 1 / limit <= now.deviation / before.deviation <= limit:
        yield (
            f"has a standard deviation of {now.deviation:.4g}, and {before.deviation:.4g} in training, "
            f"{now.deviation / before.deviation:.3g} times as much"
        )


def _distance(before: Column, now: Column) -> float:
    """Kolmogorov and Smirnov's distance of two distributions by their percentiles, to 0.02."""
    one, other = np.array(before.percentiles), np.array(now.percentiles)
    if (np.abs(one - other) <= _SAME * np.maximum(np.abs(one), np.abs(other))).all():
        return 0.0
    places = np.concatenate([one, other])
    below = [np.searchsorted(each, places, side="right") / len(_SHARES) for each in (one, other)]
    return float(np.abs(below[0] - below[1]).max())


def _median(column: Column) -> float:
    return column.percentiles[len(_SHARES) // 2]
