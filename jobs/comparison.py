"""Whether one model's errors are below another's on the same windows: a paired block bootstrap.

Windows that follow each other overlap and go wrong together, and so do series at the same time, so that what
is drawn is neither windows nor series but stretches of time with all series in them: the moving blocks of
Künsch (1989, Annals of Statistics 17), wrapped round the end as by Politis & Romano (1992, in *Exploring the
Limits of Bootstrap*).  Where there is too little time for that, series and stretches are both drawn (Owen
2007, Annals of Applied Statistics 1); what all series share in a single stretch is not seen then.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

DRAWS = 2_000
_FEWEST = 5  # blocks, below which their spread says nothing
_ROOM = 10  # blocks that there should be for a block to be longer than the horizon
_BLOCKS = 25  # of time, where there is room: errors may be alike for longer than anybody knows
_NOTHING = 1e-10  # of an error: so far apart are shares that are computed differently
_MOST_GROUPS = 500  # of series that are drawn together


@dataclass(frozen=True)
class Windows:
    """Where the windows of a comparison are; both arrays are (windows,) int64.

    Attributes:
        series: each window's series, by number.
        origins: the step of its first forecast, on a clock of all series.
        horizon: steps that it forecasts.
        season: steps after which errors may be alike again.
    """

    series: Numbers
    origins: Numbers
    horizon: int
    season: int = 1


@dataclass(frozen=True)
class Comparison:
    """How much a challenger is better, and how sure that is.

    Attributes:
        improvement: the share of the champion's error that the challenger's is below it.
        blocks: stretches of time, or series, by which that was judged.
        draws: of the bootstrap.
        confidence: the share of draws in which the improvement is above the margin; None: there are too few
            blocks to say anything.
        interval: in which the improvement lies by all but ``1 - asked`` of the draws at either end; None as
            above.
    """

    improvement: float
    blocks: int
    draws: int = DRAWS
    confidence: float | None = None
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class _Drawn:
    """Errors in each draw.

    Attributes:
        sums: (2, draws) of the challenger and of the champion.
        blocks: how many independent things they were drawn from.
        seen: the share of the variance that blocks hold of errors that overlap: of a moving average the
            autocorrelation falls in a line, and a block loses what reaches over its edges.
    """

    sums: FloatArray
    blocks: int
    seen: float


def compare(
    challenger: FloatArray,
    champion: FloatArray,
    windows: Windows,
    *,
    margin: float,
    asked: float,
    seed: int = 0,
) -> Comparison:
    """Compare two models that forecast the same windows.

    Args:
        challenger: (windows,) its errors, not below 0 and finite: means, or sums over the same values.
        champion: (windows,) of the other.
        windows: where they are.
        margin: the improvement to be above.
        asked: the confidence to be reached, from 0.5 to 1.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    point = float(_improvement(challenger.sum(), champion.sum()))
    drawn = _draw(np.stack([challenger, champion]), windows, rng)
    if drawn.blocks < _FEWEST:
        return Comparison(point, drawn.blocks)
    wider = _t_ratio(NormalDist().inv_cdf(asked), drawn.blocks) / math.sqrt(drawn.seen)
    found = point + wider * (_improvement(*drawn.sums) - point)
    low, high = np.quantile(found, [1 - asked, asked])
    return Comparison(
        point,
        drawn.blocks,
        confidence=float(np.mean(found > margin)),
        interval=(float(low), float(high)),
    )


def _improvement(challenger: FloatArray, champion: FloatArray) -> FloatArray:
    """Of sums of errors; a champion without any error cannot be improved on."""
    worst = np.where(challenger > 0, -1.0, 0.0)
    return np.divide(champion - challenger, champion, out=worst, where=champion > 0)


def _t_ratio(z: float, blocks: int) -> float:
    """By how much the mean of few blocks strays further than draws of them say, at the normal quantile ``z``.

    Student's t by Fisher's expansion, Abramowitz & Stegun 26.7.5; and draws are around a mean of their own.
    """
    free = blocks - 1
    longer = 1 + (z**2 + 1) / (4 * free) + (5 * z**4 + 16 * z**2 + 3) / (96 * free**2)
    return longer * math.sqrt(blocks / free)


def _draw(errors: FloatArray, windows: Windows, rng: np.random.Generator) -> _Drawn:
    """Errors are (2, windows)."""
    steps, place = np.unique(windows.origins, return_inverse=True)
    apart = float(np.median(np.diff(steps))) if len(steps) > 1 else 1.0
    length = _block(len(steps), windows, apart)
    overlap = max(windows.horizon / apart, 1.0)  # windows that share steps with one
    seen = 1 - (overlap**2 - 1) / (3 * overlap * length)
    if len(steps) >= _FEWEST * length:
        totals = np.stack([_sums(place, each, len(steps)) for each in errors])
        return _of_time(totals, length, seen, rng)
    return _of_both(errors, windows.series, place // length, seen, rng)


def _block(steps: int, windows: Windows, apart: float) -> int:
    """How many of the steps at which there are windows make a block."""
    length = max(math.ceil(windows.horizon / apart), steps // _BLOCKS)
    for wanted in (windows.horizon * 2, windows.horizon * 3, windows.season):
        of_these = math.ceil(wanted / apart)
        if of_these * _ROOM <= steps:
            length = max(length, of_these)
    return length


def _of_time(totals: FloatArray, length: int, seen: float, rng: np.random.Generator) -> _Drawn:
    """Stretches of so many steps, of the sums over all series at each step (2, steps)."""
    steps = totals.shape[1]
    sums = np.concatenate([np.zeros((2, 1)), np.cumsum(np.tile(totals, 2), axis=1)], axis=1)
    blocks = sums[:, length : length + steps] - sums[:, :steps]
    count = steps // length
    which = rng.integers(steps, size=(DRAWS, count))
    return _Drawn(np.stack([each[which].sum(axis=1) for each in blocks]), count, seen)


def _of_both(
    errors: FloatArray, series: Numbers, block: Numbers, seen: float, rng: np.random.Generator
) -> _Drawn:
    """Series, and blocks of time: each draw takes some of either, more than once or not at all."""
    names, row = np.unique(series, return_inverse=True)
    rows = min(len(names), _MOST_GROUPS)
    row = rng.permutation(len(names))[row] % rows
    columns = int(block.max()) + 1
    cells = np.stack([_sums(row * columns + block, each, rows * columns) for each in errors])
    cells = cells.reshape(2, rows, columns)
    by_row, by_column = (
        rng.multinomial(count, np.full(count, 1 / count), DRAWS).astype(np.float64)
        for count in (rows, columns)
    )
    sums = np.stack([np.einsum("dc,dc->d", by_row @ each, by_column) for each in cells])
    spread = [
        float(np.var(_improvement(*(weights @ each.sum(axis=axis) for each in cells))))
        for weights, axis in ((by_row, 1), (by_column, 0))
    ]
    return _Drawn(sums, _independent(spread, (rows, columns)), seen if columns > 1 else 1.0)


def _sums(place: Numbers, values: FloatArray, places: int) -> FloatArray:
    return np.bincount(place, values, places).astype(np.float64, copy=False)


def _independent(variances: list[float], counts: tuple[int, int]) -> int:
    """As how many things those of two kinds count: Satterthwaite (1946, Biometrics Bulletin 2)."""
    pairs = [(variance, count) for variance, count in zip(variances, counts, strict=True) if count > 1]
    if sum(variance for variance, _ in pairs) < _NOTHING**2:
        return max(counts)
    parts = sum(variance**2 / (count - 1) for variance, count in pairs)
    return 1 + int(sum(variance for variance, _ in pairs) ** 2 / parts)
