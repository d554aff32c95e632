"""Trials of regressors, which are fitted once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from jobs.space import Values
from tests.jobs.hypermodels import REGRESSOR, as_regressor, built, served_error, trained
from tests.jobs.listener import task


@pytest.mark.parametrize("values", [{"kind": "ridge", "alpha": 0.1}, {"kind": "forest", "trees": 4}])
def test_a_regressor_is_fitted_once_and_served_raw(
    write_module: Callable[[str], str], values: Values
) -> None:
    given = task(as_regressor(built(write_module(REGRESSOR), values=values)))
    found = trained(given)

    (report,) = found.reports
    assert report.ended == "done"
    assert served_error(given, found.model) == pytest.approx(report.score, rel=1e-3)
    assert trained(given).reports[0].score == report.score


INSIDE = """
import random
import numpy as np
from sklearn import linear_model
from sklearn.ensemble import RandomForestRegressor
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline


def several(hp):
    return MultiOutputRegressor(RandomForestRegressor(2))


def pipe(hp):
    return make_pipeline(MultiOutputRegressor(RandomForestRegressor(2)))


def drawn(hp):
    return linear_model.Ridge(alpha=random.random() + np.random.random())


class Ridge(linear_model.Ridge):
    __module__ = linear_model.Ridge.__module__  # by which it is saved

    def fit(self, x, y):
        return super().fit(x, y + np.random.normal(size=y.shape))


def noisy(hp):
    return Ridge()
"""


@pytest.mark.parametrize("name", ["several", "pipe", "drawn", "noisy"])
def test_whatever_is_random_in_a_regressor_is_seeded(write_module: Callable[[str], str], name: str) -> None:
    given = task(as_regressor(built(write_module(INSIDE), name)))

    scores = [trained(each).reports[0].score for each in (given, given, replace(given, seed=4))]

    assert scores[0] == scores[1] != scores[2]
