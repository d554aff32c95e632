"""Errors of forecasts, as the field reports them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Scale = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Loss:
    """What a job minimises, of errors (forecast minus actual) in scaled units; see ``engine.losses``.

    Attributes:
        name: ``mse``, ``mae``, ``huber`` or ``pinball``.
        quantile: that ``pinball`` aims at.
    """

    name: str = "mse"
    quantile: float = 0.5

    def of(self, error: Scale) -> Scale:
        """The loss of each error."""
        if self.name == "pinball":
            return np.maximum(-self.quantile * error, (1 - self.quantile) * error)
        size = np.abs(error)
        if self.name == "huber":
            return np.where(size <= 1, np.square(error) / 2, size - 0.5)
        return size if self.name == "mae" else np.square(error)


class Metrics:
    """Metrics over windows, steps and targets that come some windows at a time."""

    def __init__(self, deviation: Scale, loss: Loss | None = None) -> None:
        """Begin with no windows.

        Args:
            deviation: (targets,) of the training targets of all series; ``mse`` and ``mae`` are in its units,
                so they compare with published scores, and with ``val_loss`` where that is standardised by it.
            loss: a metric, too, and kept for each window.
        """
        self._deviation, self._loss = deviation, loss
        self._losses: list[Scale] = []
        self._sums = dict.fromkeys(("mse", "mae", "raw_mse", "raw_mae", "smape", "mase"), 0.0)
        self._values = self._scaled = 0

    def add(self, actual: Array, forecast: Array, naive_error: Scale, there: Array | None = None) -> None:
        """Count some windows in.

        Args:
            actual: (windows, horizon, targets), raw values.
            forecast: the same shape, raw values.
            naive_error: (windows, targets) in-sample seasonal-naive MAE of each window's series, MASE's
                scale.
            there: 1 where there is an actual value, else 0, the same shape; None: everywhere.
        """
        actual, forecast = actual.astype(np.float64), forecast.astype(np.float64)
        counted = np.ones_like(actual) if there is None else there.astype(np.float64)
        error = (forecast - actual) * counted
        absolute = np.abs(error)
        size = np.abs(actual) + np.abs(forecast)
        symmetric = np.divide(200 * absolute, size, out=np.zeros_like(absolute), where=size > 0)
        steps = counted.sum(axis=1)
        known = (naive_error > 0) & (steps > 0)
        sums = {
            "mse": np.square(error / self._deviation),
            "mae": absolute / self._deviation,
            "raw_mse": np.square(error),
            "raw_mae": absolute,
            "smape": symmetric,
            "mase": absolute.sum(axis=1)[known] / steps[known] / naive_error[known],
        }
        if self._loss is not None:
            self._losses.append(self._loss.of(error / self._deviation).sum(axis=(1, 2)))
        for name, values in sums.items():
            self._sums[name] += float(values.sum())
        self._values += int(counted.sum())
        self._scaled += int(known.sum())

    def means(self) -> dict[str, float]:
        """Means over everything that was added.

        Returns:
            ``mse`` and ``mae`` in scaled units, ``raw_rmse`` and ``raw_mae`` in the data's own, ``smape`` in
            per cent (mean of 200·|y-f|/(|y|+|f|)), ``mase`` (Hyndman & Koehler 2006); NaN without windows.
            The loss by its name, if there is one.
        """
        counts = dict.fromkeys(self._sums, self._values) | {"mase": self._scaled}
        mean = {
            name: total / counts[name] if counts[name] else math.nan for name, total in self._sums.items()
        }
        mean["raw_rmse"] = math.sqrt(mean.pop("raw_mse"))
        found = {name: mean[name] for name in ("mse", "mae", "raw_rmse", "raw_mae", "smape", "mase")}
        if self._loss is not None and self._loss.name not in found:
            total = float(self.losses().sum())
            found[self._loss.name] = total / self._values if self._values else math.nan
        return found

    def losses(self) -> Scale:
        """The loss of each window, summed over its steps and targets that are known, (windows,)."""
        return np.concatenate([np.zeros(0), *self._losses])
