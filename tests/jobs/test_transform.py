"""Box-Cox, against SciPy's, and back."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from scipy.stats import boxcox

from jobs.transform import fit_power, lowered, raised

VALUES = np.random.default_rng(0).gamma(2.0, 30.0, (500, 3)) + 0.01


def test_the_power_is_the_likeliest() -> None:
    for draw in (VALUES[:, 0], np.exp(VALUES[:, 1] / 20), VALUES[:, 2] ** 0.25):
        _, wanted = boxcox(draw)
        assert fit_power(draw) == pytest.approx(np.clip(wanted, -2, 2), abs=1e-3)


def test_a_power_that_nothing_asks_for_is_one_or_stays_in_bounds() -> None:
    assert fit_power(np.full(9, 3.5)) == 1.0
    assert fit_power(np.exp(np.random.default_rng(1).normal(size=20_000))) == pytest.approx(0.0, abs=0.02)
    assert -2 <= fit_power(np.concatenate([np.full(500, 1.0), [1e9, 1e10]])) <= 2
    assert fit_power(np.random.default_rng(2).gamma(2.0, 1.0, 300_000) + 0.1) == pytest.approx(0.27, abs=0.1)


@pytest.mark.parametrize("powers", [[0.0, 0.0, 0.0], [1.0, 0.5, -0.7], [2.0, -2.0, 0.0]])
@pytest.mark.parametrize("ops", [np, keras.ops], ids=["numpy", "keras"])
def test_what_is_raised_comes_back(powers: list[float], ops: object) -> None:
    power, values = np.array(powers), VALUES.astype(np.float32)

    there = np.asarray(raised(ops, values, power))
    back = np.asarray(lowered(ops, there, power))

    for target, own in enumerate(powers):
        np.testing.assert_allclose(there[:, target], boxcox(VALUES[:, target], own), rtol=2e-3, atol=2e-4)
    near = np.abs(np.array(powers)) < 1.5  # float32 has too few digits left beside a power of 2
    np.testing.assert_allclose(back[:, near], values[:, near], rtol=2e-3)


def test_what_no_value_is_raised_to_comes_back_as_a_number() -> None:
    back = lowered(np, np.array([[-1e9, -1e9]], np.float32), np.array([0.5, -0.5]))

    assert np.isfinite(back).all()
    assert (back >= 0).all()
