"""What a forecaster has to beat: the season before, repeated."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from jobs.cut import known_at
from jobs.npyfile import BLOCK, let_go
from jobs.panel import Indices, Panel, Rows
from jobs.parts import Parts


def seasonal_naive(panel: Panel, origins: Indices, *, horizon: int, season: int) -> Rows:
    """Forecast each step by the value one season earlier, or as many seasons as it takes to be known.

    Args:
        panel: the series.
        origins: (windows,) rows of the first forecast step.
        horizon: steps ahead.
        season: steps in a season; where a series has less history than that, its last value is repeated.

    Returns:
        (windows, horizon, targets) raw values.
    """
    ahead = np.arange(horizon)
    back = season * (ahead // season + 1)
    wanted = origins[:, None] + ahead - back
    first = panel.offsets[np.searchsorted(panel.offsets, origins, side="right") - 1]
    wanted = np.where(wanted >= first[:, None], wanted, origins[:, None] - 1)
    found = panel.rows[wanted][:, :, : panel.targets]
    if panel.hidden:
        known, last = known_at(panel, origins - 1, np.arange(panel.targets)[None])
        found = np.where(wanted[:, :, None] > known[:, None], last[:, None], found)
    return found


def naive_error(panel: Panel, parts: Parts, season: int) -> npt.NDArray[np.float64]:
    """In-sample MAE of the seasonal naive forecast over each series' training part, (series, targets).

    A training part that is no longer than a season is forecast by the step before.  Values that were missing
    do not count.
    """
    begins, stops = parts.train, parts.train_end
    lags = np.where(stops - begins > season, season, 1)
    errors, counts = (np.zeros((len(begins), panel.targets)) for _ in range(2))
    for begin in range(0, len(panel.rows), BLOCK):
        end = min(begin + BLOCK, len(panel.rows))
        some = slice(np.searchsorted(panel.offsets, begin, "right") - 1, np.searchsorted(panel.offsets, end))
        lengths = np.minimum(panel.offsets[1:][some], end) - np.maximum(panel.offsets[:-1][some], begin)
        series = np.repeat(np.arange(some.start, some.stop), lengths)
        rows = np.arange(begin, end)
        known = (rows >= begins[series] + lags[series]) & (rows < stops[series])
        rows, series = rows[known], series[known]
        later, earlier = panel.rows[rows], panel.rows[rows - lags[series]]
        away = np.abs(later[:, : panel.targets].astype(np.float64) - earlier[:, : panel.targets])
        there = np.ones_like(away)
        if panel.masks:
            masks = slice(later.shape[1] - panel.masks, later.shape[1] - panel.masks + panel.targets)
            there = np.where((later[:, masks] == 0) & (earlier[:, masks] == 0), 1.0, 0.0)
        for target in range(panel.targets):
            place = series - some.start, some.stop - some.start
            errors[some, target] += np.bincount(place[0], away[:, target] * there[:, target], place[1])
            counts[some, target] += np.bincount(place[0], there[:, target], place[1])
        let_go(panel.rows)
    return errors / np.maximum(counts, 1)
