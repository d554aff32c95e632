"""KerasTuner users come as they are: unmodified scripts and classes through the real command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.runner.command import Recur, journal

ARTICLE = """
import keras_tuner as kt
from keras.callbacks import EarlyStopping
from keras.layers import Dense, Dropout, SimpleRNN
from keras.models import Sequential
from keras.optimizers import Adam


def build_model(hp):
    model = Sequential()
    layers = hp.Int("num_layers", 1, 3)
    activation = hp.Choice("activation", ["tanh", "relu"])
    for i in range(layers):
        units = hp.Int(f"units_{i}", 4, 12, step=4)
        model.add(SimpleRNN(units=units, activation=activation, return_sequences=i < layers - 1))
    model.add(Dropout(hp.Float("dropout", 0.0, 0.2, step=0.1)))
    model.add(Dense(1))
    model.compile(optimizer=Adam(hp.Choice("learning_rate", [1e-2, 1e-3])), loss="mse")
    return model


tuner = kt.Hyperband(build_model, objective="val_loss", max_epochs=9, factor=3, hyperband_iterations=1)
tuner.search(X, y, validation_split=0.2, callbacks=[EarlyStopping(monitor="val_loss", patience=5)])
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
