from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests.runner.command import JobWriter, Recur, journal

# What a user without Recur does with the published model, in a process that cannot import Recur.
SERVE = """
import sys, json, numpy, keras
model = keras.saving.load_model(sys.argv[1], safe_mode=True)
windows = numpy.load(sys.argv[2])
numpy.save(sys.argv[3], model.predict_on_batch(windows))
assert not any(name in sys.modules for name in ("jobs", "runner", "cluster"))
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, write_job: JobWriter) -> Recur:
    """A finished sweep called ``small``."""
    recur = Recur(tmp_path_factory.mktemp("finished"))
    recur("run", write_job(recur.folder))
    return recur


@pytest.fixture
def sweep(finished: Recur) -> Path:
    return finished.storage / "small"


def test_the_folder_is_the_contract(sweep: Path) -> None:
    manifest = json.loads((sweep / "best/manifest.json").read_text())
    published = {"hyperparameters.json", "metrics.json", "model.keras", "signature.json"}
    assert set(manifest["files"]) == published
    assert {path.name for path in (sweep / "best").iterdir()} == published | {"manifest.json"}
    assert {path.name for path in sweep.iterdir()} == {
        "best",
        "checkpoints",
        "journal",
        "spec.yaml",
        "trials.parquet",
    }
    assert not [path for path in sweep.rglob("*") if path.name.startswith(".")]


def test_best_json_is_the_contract(finished: Recur, sweep: Path) -> None:
    best = finished.json("best", "small")
    assert best["sweep"] == "small"
    assert best["objective"] == "val_loss"
    assert best["checkpoint"] == str(sweep / "best/model.keras")
    assert best["hyperparameters"] == json.loads((sweep / "best/hyperparameters.json").read_text())
    assert best["hyperparameters"]["model.cell"] in {"simple_rnn", "lstm", "gru"}
    assert set(best["test"]) == {"mse", "mae", "raw_rmse", "raw_mae", "smape", "mase"}
    assert set(best["seasonal_naive"]) == set(best["test"])


def test_best_is_the_best_epoch_of_the_journal(finished: Recur, sweep: Path) -> None:
    results = [event for event in journal(sweep) if event["event"] == "result"]
    lowest = min(results, key=lambda event: event["score"])
    best = finished.json("best", "small")
    assert (best["trial_id"], best["epoch"], best["score"]) == (
        lowest["trial"],
        lowest["epoch"],
        lowest["score"],
    )


def test_the_published_model_needs_no_recur_and_gives_the_test_score(
    finished: Recur, sweep: Path, panel_folder: Path, tmp_path: Path
) -> None:
    frame = pd.concat(pd.read_parquet(path) for path in sorted(panel_folder.glob("*.parquet")))
    values = frame.sort_values("time")[["target", "driver"]].to_numpy(np.float32)
    first = len(values) - 60 - 12  # a fifth of 300 steps is for the test, its inputs begin a lookback earlier
    starts = np.arange(first, len(values) - 16 + 1)
    np.save(tmp_path / "windows.npy", np.stack([values[s : s + 12] for s in starts]))
    served = [sys.executable, "-I", "-c", SERVE, sweep / "best/model.keras", "windows.npy", "forecasts.npy"]
    subprocess.run(served, cwd=tmp_path, check=True, capture_output=True)
    forecasts = np.load(tmp_path / "forecasts.npy")
    actual = np.stack([values[s + 12 : s + 16, :1] for s in starts])
    assert forecasts.shape == actual.shape
    error = np.abs(forecasts - actual).mean()
    assert error == pytest.approx(finished.json("best", "small")["test"]["raw_mae"], rel=1e-4)


def test_status_trials_and_list_agree_with_the_journal(finished: Recur, sweep: Path) -> None:
    status = finished.json("status", "small")
    results = [event for event in journal(sweep) if event["event"] == "result"]
    assert status["state"] == "done"
    assert sum(status["trials"].values()) == 4
    assert status["epochs_trained"] == len(results)
    assert status["best_score"] == min(event["score"] for event in results)
    trials = finished.json("trials", "small")
    assert [trial["id"] for trial in trials] == ["00000", "00001", "00002", "00003"]
    assert {"id", "state", "score", "epoch", "epochs_trained", "seconds", "hyperparameters", "error"} <= set(
        trials[0]
    )
    assert sum(trial["epochs_trained"] for trial in trials) == len(results)
    assert [entry["sweep"] for entry in finished.json("list")] == ["small"]


def test_the_trials_table_is_one_row_a_trial(finished: Recur, sweep: Path, tmp_path: Path) -> None:
    table = pq.read_table(sweep / "trials.parquet").to_pylist()
    trials = finished.json("trials", "small")
    assert [row["id"] for row in table] == [trial["id"] for trial in trials]
    assert [row["hp.model.cell"] for row in table] == [
        trial["hyperparameters"]["model.cell"] for trial in trials
    ]
    finished("trials", "small", "--out", tmp_path / "trials.csv")
    assert pd.read_csv(tmp_path / "trials.csv", dtype={"id": str})["id"].tolist() == [
        trial["id"] for trial in trials
    ]


def test_a_finished_sweep_is_left_as_it_is(finished: Recur, sweep: Path, write_job: JobWriter) -> None:
    before = {path: path.stat().st_mtime_ns for path in sweep.rglob("*")}
    again = finished("run", write_job(finished.folder), "--json")
    assert "finished already; nothing was changed" in again.stderr
    assert json.loads(again.stdout)["trial_id"] == finished.json("best", "small")["trial_id"]
    assert {path: path.stat().st_mtime_ns for path in sweep.rglob("*")} == before


def test_a_lost_best_is_told_and_published_anew(
    finished: Recur, sweep: Path, write_job: JobWriter, tmp_path: Path
) -> None:
    lost = tmp_path / "small"
    shutil.copytree(sweep, lost)
    before = {path.name: path.read_bytes() for path in (lost / "best").iterdir()}
    shutil.rmtree(lost / "best")

    again = finished("run", write_job(finished.folder), "--storage", tmp_path)
    rebuilt = finished("trials", lost, "--rebuild")

    assert (
        f"Note: nothing is published any more; recur trials {lost} --rebuild publishes it anew"
        in again.stderr
    )
    assert rebuilt.stderr.endswith("; it is published anew\n")
    assert {path.name: path.read_bytes() for path in (lost / "best").iterdir()} == before


def test_a_name_taken_by_a_different_job_is_refused(finished: Recur, write_job: JobWriter) -> None:
    job = write_job(finished.folder)
    refused = finished("run", job, "--set", "train.batch_size=16", "--set", "search.seed=4", code=2)
    assert refused.stderr == (
        f"Error: the name small is taken in {finished.storage} by a job that differs in train.batch_size, "
        "search.seed; choose another --name, or replace that sweep with --fresh\n"
    )


def test_predict_continues_every_series(finished: Recur, panel_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "forecasts.parquet"
    said = finished.json("predict", "small", "--data", panel_folder, "--out", out)
    assert said == {"sweep": "small", "out": str(out), "series": 1, "rows": 4}
    forecasts = pd.read_parquet(out)
    last = max(pd.read_parquet(path)["time"].max() for path in panel_folder.glob("*.parquet"))
    assert list(forecasts.columns) == ["time", "target"]
    assert forecasts["time"].tolist() == [last + pd.Timedelta(hours=h) for h in range(1, 5)]
    assert np.isfinite(forecasts["target"]).all()


def test_predict_refuses_a_tampered_model(
    finished: Recur, sweep: Path, panel_folder: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(sweep, copy)
    with (copy / "best/model.keras").open("ab") as model:
        model.write(b"!")
    refused = finished("predict", copy, "--data", panel_folder, "--out", tmp_path / "f.parquet", code=2)
    assert "is not the file that was published" in refused.stderr
    assert not (tmp_path / "f.parquet").exists()


def test_fresh_replaces_and_remove_removes(tmp_path: Path, write_job: JobWriter) -> None:
    recur = Recur(tmp_path)
    recur("run", write_job(tmp_path, trials=1, epochs=1), "--workers=1")
    said = recur.json("run", write_job(tmp_path, trials=1, epochs=2), "--workers=1", "--fresh")
    assert said["epochs_trained"] == 2
    assert {"seconds", "epochs_trained", "test", "hyperparameters"} <= set(said)
    recur("remove", "small", "--yes")
    assert not (recur.storage / "small").exists()
    assert recur.json("list") == []


def test_the_same_job_runs_on_jax(tmp_path: Path, write_job: JobWriter, panel_folder: Path) -> None:
    recur = Recur(tmp_path)
    job = write_job(tmp_path, trials=1, epochs=2)
    said = recur.json("run", job, "--workers=1", "--set", "backend=jax")
    assert said["epochs_trained"] == 2
    assert said["test"]["mse"] > 0
    assert recur.json("predict", "small", "--data", panel_folder, "--out", "f.parquet")["rows"] == 4


def test_hyperband_runs_all_its_brackets(tmp_path: Path, write_job: JobWriter) -> None:
    recur = Recur(tmp_path)
    job = write_job(tmp_path, scheduler="hyperband", trials=None, epochs=4)
    recur("run", job, "--workers=1", "--set", "search.factor=2")
    trained = sorted(trial["epochs_trained"] for trial in recur.json("trials", "small"))
    # KerasTuner's brackets for 4 epochs and factor 2: 4 trials (1, 2, 4 epochs), 3 (2, 4), 3 (4)
    assert trained == [1, 1, 2, 2, 4, 4, 4, 4, 4, 4]


def test_a_sweep_whose_trials_all_diverge_has_failed(tmp_path: Path, write_job: JobWriter) -> None:
    recur = Recur(tmp_path)
    job = write_job(tmp_path, trials=2, epochs=2)
    wild = ("--set", "train.learning_rate=1e38", "--set", "train.optimizer=sgd")
    failed = recur("run", job, "--workers=1", *wild, code=1)
    assert "Failed: no trial succeeded; all diverged" in failed.stderr
    status = recur.json("status", "small")
    assert (status["state"], status["trials"]["diverged"]) == ("failed", 2)


def test_a_dry_run_writes_nothing(recur: Recur, write_job: JobWriter) -> None:
    shown = recur("run", write_job(recur.folder), "--dry-run").stdout
    assert "max_epochs: 3" in shown
    assert "space       45 configuration(s) of 3 searched hyperparameters; 4 trial(s)" in shown
    assert "windows     83 train, 57 validation, 57 test" in shown
    assert "Total params" in shown
    assert not recur.storage.exists()


@pytest.mark.parametrize("algorithm", ["grid", "bayesian", "tpe", "hyperband"])
def test_every_searcher_runs_a_sweep_to_its_end(tmp_path: Path, write_job: JobWriter, algorithm: str) -> None:
    recur = Recur(tmp_path)
    kind = {"scheduler": "hyperband", "trials": None} if algorithm == "hyperband" else {"trials": 11}
    job = write_job(tmp_path, epochs=3, **kind)  # type: ignore[arg-type]

    found = recur.json("run", job, "--set", f"search.algorithm={algorithm}")

    count = sum(found["trials"].values())
    assert (found["state"], count) == ("done", 5 if algorithm == "hyperband" else 11)
    tried = [str(trial["hyperparameters"]) for trial in recur.json("trials", "small")]
    assert len(set(tried)) == count
