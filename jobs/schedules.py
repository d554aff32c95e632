"""Learning rates over a trial."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

PLATEAU_PATIENCE, PLATEAU_FACTOR = 3, 0.3  # in passes over the training windows; of the rate


def constant(rate: float, count: int) -> Any:
    """The same for ``count`` steps."""
    import numpy as np  # here, for whoever reads a sweep's job is to start at once

    return np.full(count, rate)


def cosine(rate: float, first: int, count: int, total: int) -> Any:
    """Half a cosine from ``rate`` to zero over ``total`` steps (arXiv:1608.03983)."""
    import numpy as np

    done = np.minimum(np.arange(first, first + count) / total, 1.0)
    return rate * 0.5 * (1 + np.cos(np.pi * done))


def plateaus(scores: Sequence[float | None], patience: int = PLATEAU_PATIENCE) -> int:
    """How often the scores of the epochs so far have gone ``patience`` epochs without a new best."""
    best, waited, found = math.inf, 0, 0
    for score in scores:
        if score is not None and score < best:
            best, waited = score, 0
            continue
        waited += 1
        if waited == patience:
            found, waited = found + 1, 0
    return found
