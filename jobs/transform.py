"""Targets brought nearer to a normal distribution by a power, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_SAMPLED = 100_000  # values that a power is fitted on
_NEARLY_LOG = 1e-3  # powers below are the logarithm
_LARGEST = 2.0  # a power further from 0 says more of outliers than of the series


def fit_power(values: npt.NDArray[np.float64]) -> float:
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


def raised(ops: Any, values: Any, powers: npt.NDArray[np.float64]) -> Any:
    """Box-Cox of positive values (…, targets), each target with its own power; 0 is the logarithm.

    Args:
        ops: ``numpy``, or ``keras.ops`` to build it into a network.
        values: above 0; what is not is taken for the smallest number there is.
        powers: (targets,).
    """
    power = powers.astype(np.float32)
    zero, safe = power == 0, np.where(power == 0, 1, power).astype(np.float32)
    logs = ops.log(ops.maximum(values, np.float32(np.finfo(np.float32).tiny)))
    return ops.where(zero, logs, (ops.exp(logs * safe) - 1) / safe)


def lowered(ops: Any, values: Any, powers: npt.NDArray[np.float64]) -> Any:
    """The inverse of ``raised``; what no value is raised to becomes the nearest that one is."""
    power = powers.astype(np.float32)
    zero, safe = power == 0, np.where(power == 0, 1, power).astype(np.float32)
    inside = ops.maximum(values * safe + 1, np.float32(np.finfo(np.float32).tiny))
    return ops.exp(ops.where(zero, values, ops.log(inside) / safe))
