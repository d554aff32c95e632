"""Fits that are given no filled target, and fits that can weigh them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from jobs.errors import JobError
from jobs.params import Params
from jobs.train import Task
from tests.jobs.hypermodels import as_regressor, built, trained
from tests.jobs.listener import task
from tests.jobs.small import standard, unscaled

TRUE_ONLY = """
import keras
import keras_tuner as kt
import numpy as np
from sklearn import linear_model


def check(y):
    assert len(y) and np.abs(y).max() < 10, "a filled target"


class Ridge(linear_model.Ridge):
    __module__ = linear_model.Ridge.__module__  # by which it is saved

    def fit(self, x, y):
        check(y)
        return super().fit(x, y)


def regressor(hp):
    return Ridge(alpha=10)


class Unweighed(kt.HyperModel):
    def build(self, hp):
        model = keras.Sequential([keras.Input((6, 2)), keras.layers.Flatten(), keras.layers.Dense(2)])
        model.compile("adam", "mse")
        return model

    def fit(self, hp, model, x, y, validation_data):
        check(y)
        check(validation_data[1])
        model.fit(x, y)


class Weighed(Unweighed):
    def fit(self, hp, model, x, y, sample_weight):
        assert len(x) == 29
        check(y[sample_weight == 1])
        model.fit(x, y, sample_weight=sample_weight)
"""


def filled(chosen: Params, *rows: int) -> Task:
    """A trial on a series of which these steps were not there, and were filled with what is far off."""
    given = task(chosen)
    masks = np.zeros((60, 2), np.float32)
    values = given.panel.rows.copy()
    masks[rows, 0], values[rows, 0] = 1, 200
    columns = (*given.panel.columns, "c0?", "c1?")
    found = replace(given.panel, columns=columns, rows=np.hstack([values, masks]), masks=2, hidden=True)
    scaler = unscaled(found) if chosen.window.scale == "none" else standard(found, given.folds[0])
    return replace(given, panel=found, scalers=(scaler,))


@pytest.mark.parametrize("scale", ["standard", "none"])
def test_a_regressor_is_fitted_to_no_filled_target(write_module: Callable[[str], str], scale: str) -> None:
    chosen = as_regressor(built(write_module(TRUE_ONLY.replace("< 10", "< 100")), "regressor", scale=scale))

    (report,) = trained(filled(chosen, 10, 20, 43)).reports

    assert report.score is not None
    assert report.metrics["loss"] is not None


@pytest.mark.parametrize("name", ["Unweighed", "Weighed"])
@pytest.mark.parametrize("scale", ["standard", "instance_standard"])
def test_a_fit_of_ones_own_weighs_filled_targets_or_sees_none(
    write_module: Callable[[str], str], name: str, scale: str
) -> None:
    chosen = built(write_module(TRUE_ONLY), name, scale=scale)

    (report,) = trained(filled(chosen, 10, 20, 43)).reports

    assert report.score is not None


def test_where_every_window_has_a_filled_target_it_is_refused(write_module: Callable[[str], str]) -> None:
    chosen = as_regressor(built(write_module(TRUE_ONLY), "regressor"))

    with pytest.raises(JobError, match=r"^data\.missing: every window has a filled target, and [^\n]*$"):
        trained(filled(chosen, *range(0, 60, 2)))
