"""What an epoch found out about the trial and about itself."""

from __future__ import annotations

import math
import resource
import sys
from collections.abc import Mapping

from jobs.fold import Found
from jobs.learner import Validation

_KINDS = ("compile", "data", "train", "validate", "checkpoint")


def metrics_of(loss: str, found: Found) -> dict[str, float]:
    """``loss`` of training; of validation ``val_loss``, ``val_mse`` and ``val_mae``, NaN if it was lost.

    Where there are folds these are means, and ``val_loss_spread`` and so on their standard deviations.
    """
    validation = found.validation or Validation(math.nan, math.nan, math.nan, 0.0)
    metrics = {"loss": found.passed.loss} | _named(loss, validation)
    if found.spread is not None:
        metrics |= {f"{name}_spread": value for name, value in _named(loss, found.spread).items()}
    return metrics


def _named(loss: str, found: Validation) -> dict[str, float]:
    return {"val_loss": found.loss, "val_mse": found.mse, "val_mae": found.mae, f"val_{loss}": found.loss}


def vitals_of(seconds: Mapping[str, float], windows: int, found: Found) -> dict[str, float | None]:
    """What an epoch of so many windows took and how healthy the network is, see ``EpochReport``."""
    trained = seconds.get("train", 0.0) + seconds.get("data", 0.0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    vitals: dict[str, float | None] = {f"{kind}_seconds": round(seconds.get(kind, 0.0), 4) for kind in _KINDS}
    if found.passed.watched:
        vitals |= {
            "gradient_norm": finite(found.passed.mean_gradient),
            "gradient_norm_max": finite(found.passed.largest_gradient),
            "dead_units": finite(found.validation.dead_units) if found.validation else None,
        }
    return vitals | {
        "windows_per_second": round(windows / max(trained, 1e-9), 1),
        "peak_memory_mb": round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1),
    }


def finite(value: float) -> float | None:
    """A number that JSON has; None for what it has not."""
    return value if math.isfinite(value) else None
