"""Small programs, and batches and numbers for them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest

from jobs.engine.network import Network
from jobs.engine.programs import Training, fresh_state
from jobs.engine.shape import Shape
from jobs.params import LayerParams, NetworkParams
from tests.jobs.engine.test_network import with_keras

LOOKBACK, HORIZON, COLUMNS, TARGETS = 5, 2, 3, 2
LAYERS = (LayerParams("gru", 3, "tanh", 1.0), LayerParams("simple_rnn", 4, "relu", 1.0))
NETWORK = Network(
    NetworkParams(LAYERS, reset_after=True, output_activation="linear"),
    LOOKBACK,
    COLUMNS,
    HORIZON,
    TARGETS,
)
KINDS = pytest.mark.parametrize("xla", [False, True], ids=["plain", "xla"])


def shape(**changes: Any) -> Shape:
    return replace(Shape(NETWORK, "mse", 0.5, batch=4, capacity=3, xla=False), **changes)


def given(capacity: int = 3, **changes: Any) -> dict[str, Any]:
    """A trial without dropout or clipping."""
    rates = np.full(capacity, changes.pop("learning_rate", 0.01), np.float32)
    plain = {
        "learning_rates": rates,
        "rates": np.zeros(2, np.float32),
        "seed": np.int32(7),
        "step": 0,
        "clip": np.float32(math.inf),
    }
    return plain | changes


def batches(*valid: int, batch: int = 4, padding: float = 0.0) -> dict[str, Any]:
    """Random windows; those that are none are full of ``padding``."""
    draw = np.random.default_rng(1)
    x = draw.normal(size=(len(valid), batch, LOOKBACK, COLUMNS)).astype(np.float32)
    y = draw.normal(size=(len(valid), batch, HORIZON, TARGETS)).astype(np.float32)
    for index, real in enumerate(valid):
        x[index, real:] = y[index, real:] = padding
    return {"x": x, "y": y, "valid": np.array(valid, np.int32)}


def weights(seed: int = 3) -> Any:
    return np.random.default_rng(seed).normal(scale=0.4, size=NETWORK.size).astype(np.float32)


def begun(program: Training) -> list[Any]:
    return [weights(), *fresh_state(program.shape.network, program.optimizer)]


def arrays(found: Any) -> list[Any]:
    return [keras.ops.convert_to_numpy(array) for array in found]


def alone(at: Any, x: Any, y: Any) -> tuple[float, Any]:
    """Loss and gradient of these windows and no others, by Keras's own layers."""
    found = with_keras(NETWORK, at, x, y)
    return float(found["loss"]), found["gradient"]
