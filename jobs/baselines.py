"""What a forecaster has to beat: the season before, repeated."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from jobs.npyfile import blocks
from jobs.panel import Indices, Panel, Rows
from jobs.windows import Parts


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
    return panel.rows[wanted][:, :, : panel.targets]


def naive_error(panel: Panel, parts: Parts, season: int) -> npt.NDArray[np.float64]:
    """In-sample MAE of the seasonal naive forecast over each series' training part, (series, targets)."""
    errors = np.zeros((len(panel.offsets) - 1, panel.targets))
    for index, (begin, stop) in enumerate(zip(parts.train, parts.validation, strict=True)):
        lag = season if stop - begin > season else 1
        for values in blocks(panel.rows[begin:stop, : panel.targets], overlap=lag):
            later = values[lag:].astype(np.float64)
            errors[index] += np.abs(later - values[: len(later)]).sum(axis=0)
        errors[index] /= max(stop - begin - lag, 1)
    return errors
