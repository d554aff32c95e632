"""A Gaussian process that predicts in one step what scikit-learn's does."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern

from runner.searchers.oracles import Process


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # noise has no kernel
@pytest.mark.parametrize("count", [1, 7])
@pytest.mark.parametrize("told", [2, 40])
def test_predictions_are_scikit_learns(count: int, told: int) -> None:
    rng = np.random.default_rng(told)
    x, y = rng.random((told, 5)), rng.normal(size=told)
    given = {"kernel": Matern(nu=2.5), "normalize_y": True, "alpha": 1e-4, "random_state": 1}
    points = rng.random((count, 5))

    ours, theirs = (kind(**given).fit(x, y) for kind in (Process, GaussianProcessRegressor))

    np.testing.assert_allclose(ours.predict(points), theirs.predict(points), rtol=1e-9, atol=1e-12)
    for found, wanted in zip(
        ours.predict(points, return_std=True), theirs.predict(points, return_std=True), strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-9)
