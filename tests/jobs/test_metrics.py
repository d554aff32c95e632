"""Forecast errors against numbers worked out by hand and against a slow loop."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import pytest

from jobs.engine.losses import loss_function
from jobs.metrics import Loss, Metrics


def forecast_metrics(actual: Any, forecast: Any, *, deviation: Any, naive_error: Any) -> dict[str, float]:
    """Of all windows at once."""
    metrics = Metrics(deviation)
    metrics.add(actual, forecast, naive_error)
    return metrics.means()


def test_small_numbers_by_hand() -> None:
    """Two windows, two steps, one target: errors are 1, -2, 0 and 4."""
    actual = np.array([[[1.0], [4.0]], [[0.0], [4.0]]], np.float32)
    forecast = np.array([[[2.0], [2.0]], [[0.0], [8.0]]], np.float32)

    found = forecast_metrics(
        actual, forecast, deviation=np.array([2.0]), naive_error=np.array([[0.5], [4.0]])
    )

    assert found == pytest.approx(
        {
            "mse": (1 + 4 + 0 + 16) / 4 / 4,
            "mae": (1 + 2 + 0 + 4) / 4 / 2,
            "raw_rmse": math.sqrt((1 + 4 + 0 + 16) / 4),
            "raw_mae": (1 + 2 + 0 + 4) / 4,
            "smape": (200 * 1 / 3 + 200 * 2 / 6 + 0 + 200 * 4 / 12) / 4,
            "mase": (1.5 / 0.5 + 2 / 4) / 2,
        },
        rel=1e-12,
    )


def slow(actual: Any, forecast: Any, deviation: Any, naive_error: Any) -> dict[str, float]:
    windows, horizon, targets = actual.shape
    found: dict[str, list[float]] = {
        name: [] for name in ("mse", "mae", "raw_mse", "raw_mae", "smape", "mase")
    }
    for window in range(windows):
        for target in range(targets):
            absolute = []
            for step in range(horizon):
                y, f = float(actual[window, step, target]), float(forecast[window, step, target])
                absolute.append(abs(y - f))
                found["mse"].append(((y - f) / deviation[target]) ** 2)
                found["mae"].append(abs(y - f) / deviation[target])
                found["raw_mse"].append((y - f) ** 2)
                found["raw_mae"].append(abs(y - f))
                found["smape"].append(200 * abs(y - f) / (abs(y) + abs(f)) if y or f else 0.0)
            if naive_error[window, target]:
                found["mase"].append(sum(absolute) / horizon / naive_error[window, target])
    means = {name: sum(values) / len(values) for name, values in found.items()}
    means["raw_rmse"] = math.sqrt(means.pop("raw_mse"))
    return means


def test_several_targets_against_a_slow_loop() -> None:
    rng = np.random.default_rng(3)
    actual = rng.normal(size=(7, 5, 3)).astype(np.float32) * 100
    forecast = (actual + rng.normal(size=actual.shape)).astype(np.float32)
    actual[0, 0, 0] = forecast[0, 0, 0] = 0
    deviation, naive_error = rng.uniform(1, 2, size=3), rng.uniform(1, 2, size=(7, 3))
    naive_error[2, 1] = 0  # a series that never changes has no scale of its own

    found = forecast_metrics(actual, forecast, deviation=deviation, naive_error=naive_error)

    assert found == pytest.approx(slow(actual, forecast, deviation, naive_error), rel=1e-6)


def test_windows_that_come_in_pieces_have_the_metrics_of_the_whole() -> None:
    rng = np.random.default_rng(4)
    actual = rng.normal(size=(20, 5, 2)).astype(np.float32)
    forecast = rng.normal(size=actual.shape).astype(np.float32)
    deviation, naive_error = rng.uniform(1, 2, size=2), rng.uniform(1, 2, size=(20, 2))
    naive_error[:3] = 0  # the first piece has no MASE
    pieces = Metrics(deviation)
    for part in (slice(3), slice(3, 4), slice(4, 4), slice(4, 20)):
        pieces.add(actual[part], forecast[part], naive_error[part])

    whole = forecast_metrics(actual, forecast, deviation=deviation, naive_error=naive_error)

    assert pieces.means() == pytest.approx(whole, rel=1e-12)


def test_a_perfect_forecast_errs_nowhere_and_constant_series_have_no_mase() -> None:
    actual = np.full((2, 3, 1), 5, np.float32)

    found = forecast_metrics(actual, actual, deviation=np.ones(1), naive_error=np.zeros((2, 1)))

    assert math.isnan(found.pop("mase"))
    assert set(found.values()) == {0.0}


def test_large_values_do_not_overflow() -> None:
    actual = np.full((1, 1, 1), 2e38, np.float32)

    found = forecast_metrics(actual, -actual, deviation=np.array([1e38]), naive_error=np.ones((1, 1)))

    assert found["mse"] == pytest.approx(16)
    assert found["smape"] == pytest.approx(200)


@pytest.mark.parametrize("name", ["mse", "mae", "huber", "pinball"])
def test_the_loss_of_each_window_is_that_which_is_trained(name: str) -> None:
    """Of two windows one has a value that was missing, which counts neither there nor in the mean."""
    rng = np.random.default_rng(0)
    actual, forecast = rng.normal(scale=4, size=(2, 2, 3, 2)).astype(np.float32)
    there = np.ones_like(actual)
    there[1, 2, 0] = 0
    deviation, loss = np.array([2.0, 0.5]), Loss(name, 0.9)
    metrics = Metrics(deviation, loss)

    metrics.add(actual[:1], forecast[:1], np.ones((1, 2)), there[:1])
    metrics.add(actual[1:], forecast[1:], np.ones((1, 2)), there[1:])

    trained = loss_function("quantile" if name == "pinball" else name, 0.9)
    each = np.asarray(trained(keras.ops.convert_to_tensor((forecast - actual) / deviation))) * there
    np.testing.assert_allclose(metrics.losses(), each.sum(axis=(1, 2)), rtol=1e-5)
    assert metrics.means()[name] == pytest.approx(each.sum() / 11, rel=1e-5)
