"""Errors of forecasts, as the field reports them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


def forecast_metrics(
    actual: Array,
    forecast: Array,
    *,
    deviation: npt.NDArray[np.float64],
    naive_error: npt.NDArray[np.float64],
) -> dict[str, float]:
    """Metrics over windows, steps and targets.

    Args:
        actual: (windows, horizon, targets), raw values.
        forecast: the same shape, raw values.
        deviation: (targets,) by which the training targets were scaled; ``mse`` and ``mae`` are in its units,
            so they compare with ``val_loss`` and with published scores.
        naive_error: (windows, targets) in-sample seasonal-naive MAE of each window's series, MASE's scale.

    Returns:
        ``mse`` and ``mae`` in scaled units, ``raw_rmse`` and ``raw_mae`` in the data's own, ``smape`` in per
        cent (mean of 200·|y-f|/(|y|+|f|)), ``mase`` (Hyndman & Koehler 2006).
    """
    actual, forecast = actual.astype(np.float64), forecast.astype(np.float64)
    error = forecast - actual
    absolute = np.abs(error)
    size = np.abs(actual) + np.abs(forecast)
    symmetric = np.divide(200 * absolute, size, out=np.zeros_like(absolute), where=size > 0)
    mean_absolute = absolute.mean(axis=1)
    known = naive_error > 0
    return {
        "mse": float(np.mean(np.square(error / deviation))),
        "mae": float(np.mean(absolute / deviation)),
        "raw_rmse": float(np.sqrt(np.mean(np.square(error)))),
        "raw_mae": float(absolute.mean()),
        "smape": float(symmetric.mean()),
        "mase": float(np.mean(mean_absolute[known] / naive_error[known])) if known.any() else float("nan"),
    }
