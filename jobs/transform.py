"""Targets brought nearer to a normal distribution by a power, and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_SAMPLED = 100_000  # values that a power is fitted on
_NEARLY_LOG = 1e-3  # powers below are the logarithm
_LARGEST = 2.0  # a power further from 0 says more of outliers than of the series
_BEYOND = math.log(100)
_FAR = 80.0  # a logarithm that float32 still has
_TINY = np.float32(np.finfo(np.float32).tiny)

FloatArray = npt.NDArray[np.float64]


def fit_power(values: FloatArray) -> float:
    """The Box-Cox power that makes positive values most nearly normal, by likelihood, between -2 and 2.

    Box & Cox (1964, J. R. Stat. Soc. B 26, 211-252).  Values that are all the same have the power 1.
    """
    from scipy.stats import boxcox_normmax

    if len(values) > _SAMPLED:
        values = np.random.default_rng(0).choice(values, _SAMPLED, replace=False)
    if np.ptp(values) == 0:
        return 1.0
    found = float(boxcox_normmax(values, brack=(-1.0, 1.0), method="mle"))
    found = float(np.clip(found, -_LARGEST, _LARGEST)) if np.isfinite(found) else 1.0
    return 0.0 if abs(found) < _NEARLY_LOG else found


@dataclass(frozen=True)
class Powers:
    """Box-Cox of each target, of its values over their geometric mean, so that float32 has digits enough.

    Attributes:
        power: of each target; 0 is the logarithm.
        unit: the logarithm of what its values are divided by first.
        low, high: logarithms between which forecasts are kept: a hundredth of the least value of training
            and a hundred times the largest, as some powers raise nothing to what lies beyond.
        Each is (targets,) float64, or of a shape that broadcasts with values.
    """

    power: FloatArray
    unit: FloatArray
    low: FloatArray
    high: FloatArray

    @classmethod
    def fit(cls, known: Sequence[FloatArray], transform: str) -> Powers:
        """From positive values of each target; where there are none it is left as it is."""
        found = []
        for values in known:
            if not len(values):
                found.append((1.0, 0.0, -_FAR, _FAR))
                continue
            logs = np.log(values.astype(np.float64))
            unit = float(logs.mean())
            power = 0.0 if transform == "log" else fit_power(np.exp(logs - unit))
            found.append((power, unit, float(logs.min()) - _BEYOND, float(logs.max()) + _BEYOND))
        return cls(*np.array(found, np.float64).T)

    def to_json(self) -> list[list[float]]:
        """What ``Powers(*map(numpy.array, …))`` takes."""
        return [each.tolist() for each in astuple(self)]

    def of(self, targets: Any) -> Powers:
        """Those of the targets that an index chooses, one for each of as many windows (windows, 1, 1)."""
        return Powers(*(each[targets][:, None, None] for each in astuple(self)))

    def raised(self, ops: Any, values: Any) -> Any:
        """Values (…, targets), above 0; what is not is taken for the smallest number there is.

        ``ops`` is ``numpy``, or ``keras.ops`` to build it into a network.
        """
        power, unit, *_ = self._single()
        zero, safe = power == 0, np.where(power == 0, 1, power).astype(np.float32)
        logs = ops.log(ops.maximum(values, _TINY)) - unit
        return ops.where(zero, logs, (ops.exp(logs * safe) - 1) / safe)

    def lowered(self, ops: Any, values: Any) -> Any:
        """The inverse of ``raised``, kept between ``low`` and ``high``."""
        power, unit, low, high = self._single()
        zero, safe = power == 0, np.where(power == 0, 1, power).astype(np.float32)
        inside = ops.log(ops.maximum(values * safe + 1, _TINY)) / safe
        logs = ops.where(zero, values, inside) + unit
        return ops.exp(ops.minimum(ops.maximum(logs, low), high))

    def _single(self) -> list[Any]:
        return [each.astype(np.float32) for each in astuple(self)]
