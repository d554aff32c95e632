"""The weights of a saved model, in the order in which a network in training has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jobs.checkpoint import load_model
from jobs.errors import JobError
from jobs.models import get_weights
from jobs.trainstate import Arrays


def weights_of(data: bytes, *, built: bool) -> Arrays:
    """What ``load_model`` loads, as the weights of its network; ``built`` by a user's function.

    Raises:
        JobError: as ``load_model``; or it is no model of a sweep.
    """
    model = load_model(data)
    try:
        found = model.get_weights() if built else get_weights(model)
    except (ValueError, AttributeError) as error:
        raise JobError(
            f"model.keras holds no network of Recur's: {str(error).splitlines()[0][:200]}"
        ) from None
    return [np.asarray(weight, np.float32) for weight in found]


def fit(weights: Arrays, shapes: Sequence[tuple[Any, ...]]) -> bool:
    """Whether these are the weights of a network with weights of such shapes."""
    return [each.shape for each in weights] == [tuple(shape) for shape in shapes]
