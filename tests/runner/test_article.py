"""An article's script for KerasTuner, unmodified, through the real command."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.runner.command import Recur, journal
from tests.runner.scripts import ARTICLE, write


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, panel_folder: Path) -> Recur:
    """A finished sweep of the article's script, run from another folder than the job's."""
    recur = Recur(tmp_path_factory.mktemp("article"))
    job = write(recur.folder / "study", panel_folder, ARTICLE, scheduler="hyperband", epochs=3)
    recur("run", job, "--workers=1")
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


def test_a_killed_sweep_goes_on_without_asking_the_function_again(recur: Recur, panel_folder: Path) -> None:
    slow = ARTICLE.replace(
        "def build_model(hp):\n", "def build_model(hp):\n    import time; time.sleep(0.05)\n"
    )
    job = write(recur.folder, panel_folder, slow, scheduler="asha, trials: 4", epochs=9)
    process = recur.start("run", job, "--workers=1", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
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
    recur("run", job, "--workers=1")
    results = [event for event in journal(sweep) if event["event"] == "result"]
    assert before >= 3
    assert len({(event["trial"], event["epoch"]) for event in results}) == len(results)
    assert recur.json("status", "built")["state"] == "done"
    assert (sweep / "spec.yaml").read_bytes() == spec
