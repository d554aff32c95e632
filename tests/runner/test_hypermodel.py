"""KerasTuner users come as they are: unmodified scripts and classes through the real command."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.runner.command import Recur, journal

ARTICLE = """
import keras_tuner as kt
from tensorflow.keras.callbacks import EarlyStopping
from tensorflow.keras.layers import Dense, Dropout, SimpleRNN
from tensorflow.keras.models import Sequential
from tensorflow.keras.optimizers import Adam


def build_model(hp):
    model = Sequential()
    layers = hp.Int("num_layers", 1, 3)
    activation = hp.Choice("activation", ["tanh", "relu"])
    for i in range(layers):
        units = hp.Int(f"units_{i}", 4, 12, step=4)
        model.add(
            SimpleRNN(
                units=units,
                activation=activation,
                return_sequences=i < layers - 1,
                input_shape=(X_train.shape[1], X_train.shape[2]),
            )
        )
    model.add(Dropout(hp.Float("dropout", 0.0, 0.2, step=0.1)))
    model.add(Dense(1))
    model.compile(optimizer=Adam(hp.Choice("learning_rate", [1e-2, 1e-3])), loss="mse")
    return model


tuner = kt.Hyperband(build_model, objective="val_loss", max_epochs=9, factor=3, hyperband_iterations=1)
stop = EarlyStopping(monitor="val_loss", patience=5)
tuner.search(X_train, y_train, validation_data=(X_test, y_test), callbacks=[stop])
"""

JOB = """
name: {name}
data: {{path: {data}, time: time, target: target, past: [driver]}}
window: {{lookback: 12, horizon: 1, stride: 2}}
model: {{build: {build}}}
train: {{max_epochs: {epochs}, batch_size: 32{train}}}
search: {{scheduler: {scheduler}, seed: 3}}
"""


def write(
    folder: Path,
    data: Path,
    module: str,
    *,
    build: str = "article:build_model",
    scheduler: str = "none, trials: 2",
    epochs: int = 2,
    train: str = "",
    name: str = "built",
) -> Path:
    """A job file and the module beside it."""
    folder.mkdir(exist_ok=True)
    (folder / f"{build.partition(':')[0]}.py").write_text(module)
    job = folder / "job.yaml"
    text = JOB.format(name=name, data=data, build=build, scheduler=scheduler, epochs=epochs, train=train)
    job.write_text(text)
    return job


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, panel_folder: Path) -> Recur:
    """A finished sweep of the article's script, run from another folder than the job's."""
    recur = Recur(tmp_path_factory.mktemp("article"))
    job = write(recur.folder / "study", panel_folder, ARTICLE, scheduler="hyperband", epochs=3)
    recur("run", job)
    return recur


def test_an_articles_script_runs_unmodified(finished: Recur) -> None:
    sweep = finished.storage / "built"
    best = finished.json("best", "built")
    names = {"num_layers", "activation", "units_0", "units_1", "units_2", "dropout", "learning_rate"}
    assert names <= set(best["hyperparameters"])
    assert not [name for name in best["hyperparameters"] if name.startswith("model.")]
    assert not {"train.loss", "train.optimizer", "train.learning_rate"} & set(best["hyperparameters"])
    assert best["hyperparameters"] == json.loads((sweep / "best/hyperparameters.json").read_text())
    assert best["test"]["mse"] > 0
    results = [event for event in journal(sweep) if event["event"] == "result"]
    lowest = min(results, key=lambda event: event["score"])
    assert (best["trial_id"], best["epoch"], best["score"]) == (
        lowest["trial"],
        lowest["epoch"],
        lowest["score"],
    )
    trained = sorted(trial["epochs_trained"] for trial in finished.json("trials", "built"))
    assert trained == [1, 1, 3, 3, 3]  # KerasTuner's brackets for 3 epochs and factor 3: 3 trials, then 2
    assert not list((finished.folder / "study").glob("untitled_project"))


def test_the_best_needs_neither_recur_nor_the_script(finished: Recur, panel_folder: Path) -> None:
    import keras

    model = keras.saving.load_model(finished.storage / "built/best/model.keras", safe_mode=True)
    frame = pd.concat(pd.read_parquet(path) for path in sorted(panel_folder.glob("*.parquet")))
    values = frame.sort_values("time")[["target", "driver"]].to_numpy(np.float32)
    starts = np.arange(len(values) - 60 - 12, len(values) - 13 + 1)
    forecasts = model.predict_on_batch(np.stack([values[s : s + 12] for s in starts]))
    actual = np.stack([values[s + 12 : s + 13, :1] for s in starts])
    error = np.abs(forecasts - actual).mean()
    assert error == pytest.approx(finished.json("best", "built")["test"]["raw_mae"], rel=1e-4)


def test_it_predicts(finished: Recur, panel_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "forecasts.parquet"
    assert finished.json("predict", "built", "--data", panel_folder, "--out", out)["rows"] == 1
    assert np.isfinite(pd.read_parquet(out)["target"]).all()


def test_what_the_function_asked_is_written_down(finished: Recur) -> None:
    text = (finished.storage / "built/spec.yaml").read_text()
    assert "name: units_2" in text
    assert "optimizer: adam" in text
    again = finished("run", finished.folder / "study/job.yaml")
    assert "finished already; nothing was changed" in again.stderr


def test_a_dry_run_shows_the_space_and_a_network(recur: Recur, panel_folder: Path) -> None:
    job = write(recur.folder, panel_folder, ARTICLE)
    shown = recur.json("run", job, "--dry-run")
    assert shown["space"] == {
        "size": 3 * 2 * 3**3 * 3 * 2,
        "hyperparameters": [
            "num_layers",
            "activation",
            "units_0",
            "dropout",
            "learning_rate",
            "units_1",
            "units_2",
        ],
    }
    assert shown["sample"]["parameters"] > 0
    assert not recur.storage.exists()


@pytest.mark.parametrize(
    ("module", "train", "said"),
    [
        (
            "def other(hp): ...\n",
            "",
            "Error: model.build: {folder}/article.py has no build_model; it has other\n",
        ),
        (
            "def build_model(hp):\n    raise ValueError('not today')\n",
            "",
            (
                "Error: model.build: article:build_model raised ValueError: not today "
                "(line 2 of {folder}/article.py)\n"
            ),
        ),
        (
            "import keras\n\n\ndef build_model(hp):\n    return 'a network'\n",
            "",
            "Error: model.build: returned 'a network', no Keras model or scikit-learn regressor\n",
        ),
        (
            (
                "import keras\n\n\ndef build_model(hp):\n"
                "    return keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(1)])\n"
            ),
            "",
            "Error: model.build: article:build_model asks nothing of hp: there is nothing to search\n",
        ),
        (
            ARTICLE,
            ", loss: mae",
            (
                "Error: built: train.loss: article:build_model compiles its networks itself, not with mae; "
                "leave train.loss out, or the compile\n"
            ),
        ),
    ],
)
def test_a_function_that_cannot_be_used_is_refused_before_anything_is_written(
    recur: Recur, panel_folder: Path, module: str, train: str, said: str
) -> None:
    job = write(recur.folder, panel_folder, module, train=train)
    refused = recur("run", job, code=2)
    assert refused.stderr == said.format(folder=recur.folder)
    assert not recur.storage.exists()


def test_a_missing_module_is_refused_in_a_dry_run_too(recur: Recur, panel_folder: Path) -> None:
    job = write(recur.folder, panel_folder, ARTICLE)
    refused = recur("run", job, "--dry-run", "--set", "model.build=elsewhere:build", code=2)
    assert refused.stderr == (
        f"Error: model.build: there is no {recur.folder}/elsewhere.py, nor is a module elsewhere installed\n"
    )


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
    recur("run", job)
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
    said = recur.json("run", job)
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
    said = recur.json("run", job, "--set", "data.split.folds=2")
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


def test_a_killed_sweep_goes_on_without_asking_the_function_again(recur: Recur, panel_folder: Path) -> None:
    slow = ARTICLE.replace(
        "def build_model(hp):\n", "def build_model(hp):\n    import time; time.sleep(0.05)\n"
    )
    job = write(recur.folder, panel_folder, slow, scheduler="asha, trials: 4", epochs=9)
    process = recur.start("run", job, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    sweep = recur.storage / "built"
    for _ in range(2400):
        if sweep.exists() and sum(event["event"] == "result" for event in journal(sweep)) >= 3:
            break
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    before = sum(event["event"] == "result" for event in journal(sweep))
    spec = (sweep / "spec.yaml").read_bytes()
    recur("run", job)
    results = [event for event in journal(sweep) if event["event"] == "result"]
    assert before >= 3
    assert len({(event["trial"], event["epoch"]) for event in results}) == len(results)
    assert recur.json("status", "built")["state"] == "done"
    assert (sweep / "spec.yaml").read_bytes() == spec
