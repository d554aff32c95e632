"""Losses against Keras's, and the pinball loss by its definition."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from jobs.engine.losses import loss_function

THEIRS = {
    "mse": keras.losses.MeanSquaredError(),
    "mae": keras.losses.MeanAbsoluteError(),
    "huber": keras.losses.Huber(),
}


def pairs() -> tuple[Any, Any]:
    draw = np.random.default_rng(1)
    return tuple(draw.normal(scale=2, size=(40, 3, 2)).astype(np.float32) for _ in range(2))


@pytest.mark.parametrize("name", THEIRS)
def test_the_mean_is_keras_loss(name: str) -> None:
    actual, forecast = pairs()

    found = keras.ops.mean(loss_function(name, 0.5)(keras.ops.convert_to_tensor(forecast - actual)))

    assert float(found) == pytest.approx(float(THEIRS[name](actual, forecast)), rel=1e-5)


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_the_pinball_loss_weighs_what_is_missed_below_by_the_quantile(quantile: float) -> None:
    actual, forecast = pairs()

    found = loss_function("quantile", quantile)(keras.ops.convert_to_tensor(forecast - actual))

    missing = (actual - forecast).astype(np.float64)
    wanted = np.where(missing > 0, quantile * missing, (quantile - 1) * missing)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("quantile", [0.2, 0.8])
def test_the_best_constant_under_the_pinball_loss_is_the_quantile(quantile: float) -> None:
    actual = np.random.default_rng(2).exponential(size=1001).astype(np.float32)
    guesses = np.linspace(0, 4, 401, dtype=np.float32)

    losses = np.asarray(
        keras.ops.mean(loss_function("quantile", quantile)(guesses[:, None] - actual[None]), axis=1)
    )

    assert guesses[losses.argmin()] == pytest.approx(np.quantile(actual, quantile), abs=0.02)
