"""Box-Cox, against SciPy's, and back."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import pytest
from scipy.stats import boxcox

from jobs.transform import Powers, fit_power

RNG = np.random.default_rng(0)
VALUES = RNG.gamma(2.0, 30.0, (500, 3)) + 0.01
# Right-skewed and far from 1: their power is negative, at which float32 loses all digits without care.
SKEWED = (1e5 * (1 - 0.3 * RNG.random(2000)) ** -3)[:, None]


def powers(values: Any, *chosen: float) -> Powers:
    fitted = Powers.fit([values[:, target] for target in range(values.shape[1])], "box_cox")
    return Powers(np.array(chosen), fitted.unit, fitted.low, fitted.high) if chosen else fitted


def test_the_power_is_the_likeliest() -> None:
    for draw in (VALUES[:, 0], np.exp(VALUES[:, 1] / 20), VALUES[:, 2] ** 0.25):
        _, wanted = boxcox(draw)
        assert fit_power(draw) == pytest.approx(np.clip(wanted, -2, 2), abs=1e-3)
        (found,) = Powers.fit([draw], "box_cox").power  # of values over their mean, which changes nothing
        assert found == pytest.approx(np.clip(wanted, -2, 2), abs=1e-3)


def test_a_power_that_nothing_asks_for_is_one_or_stays_in_bounds() -> None:
    assert fit_power(np.full(9, 3.5)) == 1.0
    assert fit_power(np.exp(np.random.default_rng(1).normal(size=20_000))) == pytest.approx(0.0, abs=0.02)
    assert -2 <= fit_power(np.concatenate([np.full(500, 1.0), [1e9, 1e10]])) <= 2
    assert fit_power(np.random.default_rng(2).gamma(2.0, 1.0, 300_000) + 0.1) == pytest.approx(0.27, abs=0.1)


def test_a_target_without_any_known_value_is_left_alone() -> None:
    found = Powers.fit([np.empty(0), VALUES[:, 0]], "log")

    assert found.power.tolist() == [1.0, 0.0]


@pytest.mark.parametrize("chosen", [[0.0, 0.0, 0.0], [1.0, 0.5, -0.7], [2.0, -2.0, 0.0]])
@pytest.mark.parametrize("ops", [np, keras.ops], ids=["numpy", "keras"])
def test_what_is_raised_comes_back(chosen: list[float], ops: Any) -> None:
    found, values = powers(VALUES, *chosen), VALUES.astype(np.float32)

    there = np.asarray(found.raised(ops, values))
    back = np.asarray(found.lowered(ops, there))

    for target, own in enumerate(chosen):
        wanted = boxcox(VALUES[:, target] / np.exp(found.unit[target]), own)
        np.testing.assert_allclose(there[:, target], wanted, rtol=2e-3, atol=2e-4)
    inside = np.exp(found.unit) / 30 < VALUES  # far below the mean a power of 2 is flat
    np.testing.assert_allclose(back[inside], values[inside], rtol=2e-3)


@pytest.mark.parametrize("ops", [np, keras.ops], ids=["numpy", "keras"])
def test_skewed_values_of_any_size_keep_their_digits(ops: Any) -> None:
    for size in (1e-20, 1.0, 1e20):
        values = (SKEWED * size).astype(np.float32)
        found = powers(values)
        assert found.power[0] < -0.1

        there = np.asarray(found.raised(ops, values))

        assert len(np.unique(there)) > 1900
        np.testing.assert_allclose(found.lowered(ops, there), values, rtol=1e-4)


@pytest.mark.parametrize("power", [-2.0, -0.5, -0.1, 0.0, 0.5, 2.0])
@pytest.mark.parametrize("far", [-1e9, -30.0, 30.0, 1e9])
def test_a_forecast_stays_within_a_hundred_times_what_was_seen(power: float, far: float) -> None:
    found = powers(VALUES[:, :1], power)

    back = float(found.lowered(np, np.array([far], np.float32))[0])

    least, most = VALUES[:, 0].min(), VALUES[:, 0].max()
    assert least / 101 < back < most * 101
    assert math.isfinite(back)


def test_each_window_may_have_the_power_of_its_own_target() -> None:
    found = powers(VALUES, 0.0, 0.5, -1.0)
    channels = np.array([2, 0, 1, 1])
    windows = VALUES[:24].astype(np.float32).reshape(4, 18, 1)

    raised = found.of(channels).raised(np, windows)

    for window, channel in enumerate(channels):
        own = Powers(*(each[[channel]] for each in (found.power, found.unit, found.low, found.high)))
        np.testing.assert_array_equal(raised[window], own.raised(np, windows[window]))
    again = Powers(*map(np.array, found.to_json()))
    np.testing.assert_array_equal(again.unit, found.unit)
