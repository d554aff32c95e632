"""HyperModels with a fit of their own, and regressors, through the real command."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.runner.command import Recur
from tests.runner.scripts import write

CLASSES = """
import keras
import keras_tuner as kt
from helpers import width


class Mine(kt.HyperModel):
    def build(self, hp):
        kind = hp.Choice("kind", ["rnn", "dense"])
        model = keras.Sequential()
        with hp.conditional_scope("kind", ["rnn"]):
            if kind == "rnn":
                model.add(keras.layers.SimpleRNN(hp.Int("units", 2, width)))
        with hp.conditional_scope("kind", ["dense"]):
            if kind == "dense":
                model.add(keras.layers.Flatten())
                model.add(keras.layers.Dense(hp.Int("width", 2, width)))
        model.add(keras.layers.Dense(1))
        model.compile("adam", "mse")
        return model

    def fit(self, hp, model, *args, **kwargs):
        return model.fit(*args, batch_size=hp.Choice("batch", [16, 32]), **kwargs)


class Silent(Mine):
    def fit(self, hp, model, x, y):
        return model.fit(x, y, epochs=2)
"""


def test_a_class_with_scopes_and_a_fit_of_its_own(recur: Recur, panel_folder: Path) -> None:
    (recur.folder / "helpers.py").write_text("width = 6\n")
    job = write(
        recur.folder, panel_folder, CLASSES, build="classes:Mine", scheduler="asha, trials: 4", epochs=3
    )
    recur("run", job, "--workers=1")
    trials = recur.json("trials", "built")
    for trial in trials:
        chosen = trial["hyperparameters"]
        assert set(chosen) == {"kind", "batch", "units" if chosen["kind"] == "rnn" else "width"}
    assert {trial["hyperparameters"]["kind"] for trial in trials} == {"rnn", "dense"}
    assert max(trial["epochs_trained"] for trial in trials) == 3
    ranks = sorted(trial["epochs_trained"] for trial in trials)
    assert set(ranks) <= {1, 3}


def test_a_fit_without_callbacks_and_the_mean_of_two_executions(recur: Recur, panel_folder: Path) -> None:
    (recur.folder / "helpers.py").write_text("width = 6\n")
    scheduler = "asha, trials: 2, executions_per_trial: 2"
    job = write(recur.folder, panel_folder, CLASSES, build="classes:Silent", scheduler=scheduler, epochs=9)
    said = recur.json("run", job, "--workers=1")
    assert said["spread"] > 0
    trials = recur.json("trials", "built")
    assert [(trial["state"], trial["epochs_trained"]) for trial in trials] == [("done", 1)] * 2


REGRESSOR = """
from sklearn.ensemble import RandomForestRegressor


def build(hp):
    return RandomForestRegressor(n_estimators=hp.Int("trees", 3, 9), max_depth=hp.Int("depth", 2, 5))
"""


def test_a_regressor_is_searched_saved_without_a_pickle_and_predicts(
    recur: Recur, panel_folder: Path, tmp_path: Path
) -> None:
    job = write(recur.folder, panel_folder, REGRESSOR, build="forest:build", scheduler="none, trials: 3")
    said = recur.json("run", job, "--workers=1", "--set", "data.split.folds=2")
    assert set(said["hyperparameters"]) >= {"trees", "depth"}
    assert said["checkpoint"].endswith("best/model.skops")
    assert said["test"]["mse"] > 0
    assert not list(recur.storage.rglob("*.pkl"))
    out = tmp_path / "forecasts.parquet"
    assert recur.json("predict", "built", "--data", panel_folder, "--out", out)["rows"] == 1


HUNGRY = """
from pathlib import Path
from sklearn import linear_model


class Ridge(linear_model.Ridge):
    __module__ = linear_model.Ridge.__module__  # by which it is saved

    def fit(self, x, y):
        if not Path({marker!r}).exists():
            Path({marker!r}).touch()
            raise MemoryError("Unable to allocate 64.0 GiB")
        return super().fit(x, y)


def build(hp):
    return Ridge(hp.Float("alpha", 0.1, 1.0))
"""


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="no room of two cores")
def test_a_trial_that_runs_out_of_memory_has_another_try_in_the_room_of_two(
    recur: Recur, panel_folder: Path
) -> None:
    module = HUNGRY.format(marker=str(recur.folder / "tried"))
    job = write(recur.folder, panel_folder, module, build="hungry:build", scheduler="none, trials: 1")
    recur("run", job)

    (trial,) = recur.json("trials", "built")

    assert (trial["state"], trial["diagnosis"]) == (
        "done",
        "ran out of memory, given the room of 2 cores",
    )
