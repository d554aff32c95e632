"""An article's script by KerasTuner's own Hyperband and, unmodified, by ``recur run``.

Run as ``python -m tests.benchmarks.article [--only kerastuner,recur] [--windows 2000] [--epochs 9]``.

The script tunes one to five SimpleRNN layers and searches by its own Hyperband; run by itself it is
KerasTuner's, named in a job file it is Recur's, with the same factor, epochs, batches and early stopping, on
the very same windows.  Each is a process of its own, timed from its start to its end; Recur's time also holds
finding out the space, checkpoints, the best model and its test score.  Nothing is asserted about time.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from contextlib import chdir
from pathlib import Path

import numpy as np
import pandas as pd

from jobs.cut import Cutter
from jobs.feed import Feed
from jobs.jobfile import load_job
from jobs.material import Material
from jobs.params import Params, resolve, space_of
from jobs.parts import parts_of
from jobs.scaling import Scaling, scaler_of
from jobs.windows import make_windows
from runner.data import open_job_panel
from tests.benchmarks._processes import adopt_orphans, timed

SCRIPT = """
import keras_tuner as kt
import numpy as np
from keras.callbacks import EarlyStopping
from keras.layers import Dense, Dropout, SimpleRNN
from keras.models import Sequential
from keras.optimizers import Adam

data = np.load("windows.npz")
X_train, y_train, X_val, y_val = (data[name] for name in ("X_train", "y_train", "X_val", "y_val"))


def build_model(hp):
    model = Sequential()
    layers = hp.Int("num_layers", 1, 5)
    activation = hp.Choice("activation", ["tanh", "relu", "sigmoid"])
    for i in range(layers):
        units = hp.Int(f"units_{{i}}", 50, 150, step=20)
        model.add(SimpleRNN(units=units, activation=activation, return_sequences=i < layers - 1))
        model.add(Dropout(hp.Float(f"dropout_{{i}}", 0.0, 0.5, step=0.1)))
    model.add(Dense(1))
    model.compile(optimizer=Adam(hp.Choice("learning_rate", [1e-2, 1e-3, 1e-4])), loss="mse")
    return model


tuner = kt.Hyperband(
    build_model, "val_loss", max_epochs={epochs}, factor=3, hyperband_iterations=1, directory="tuner"
)
stop = EarlyStopping(monitor="val_loss", patience=5)
tuner.search(X_train, y_train, validation_data=(X_val, y_val), callbacks=[stop], verbose=0)
print(tuner.oracle.get_best_trials(1)[0].score)
"""

JOB = """
name: article
data: {{path: data/, time: t, target: y, split: {{validation: {validation}, test: 100}}}}
window: {{lookback: 24, horizon: 1}}
model: {{build: article:build_model}}
train: {{batch_size: 32, max_epochs: {epochs}, early_stopping: {{patience: 5}}}}
search: {{scheduler: hyperband, factor: 3, hyperband_iterations: 1, seed: 7}}
"""
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "RAY_USAGE_STATS_ENABLED": "0"}  # no chatter, nothing sent anywhere


def prepare(folder: Path, windows: int, epochs: int) -> None:
    """Write the series, the script, its windows and the job."""
    steps = np.arange(windows + windows // 4 + 124)
    noise = np.random.default_rng(7).normal(scale=0.3, size=len(steps))
    series = pd.DataFrame({"t": steps, "y": np.sin(steps / 6) + np.sin(steps / 41) + noise})
    (folder / "data").mkdir()
    series.to_parquet(folder / "data" / "series.parquet", index=False)
    (folder / "job.yaml").write_text(JOB.format(validation=windows // 4, epochs=epochs))
    (folder / "article.py").write_text(SCRIPT.format(epochs=epochs))
    job = load_job(folder / "job.yaml")
    panel, params = open_job_panel(job), _any_params(folder)
    parts = parts_of(job, panel)
    cut = make_windows(parts, params.window)
    feed = Feed(Cutter(panel, params.window), scaler_of(panel, parts, Scaling.of(params.window)))
    material = Material(feed, cut.train, cut.validation)
    (x_train, y_train), (x_val, y_val) = material.windows("train"), material.windows("validation")
    np.savez(folder / "windows.npz", X_train=x_train, y_train=y_train, X_val=x_val, y_val=y_val)


def _any_params(folder: Path) -> Params:
    job = load_job(folder / "job.yaml")
    return resolve(job, space_of(job).sample(np.random.default_rng(0)))


COMMANDS = {
    "kerastuner": [sys.executable, "article.py"],
    "recur": [sys.executable, "-m", "runner.cli", "run", "job.yaml", "--json"],
}


def measure(name: str, windows: int, epochs: int) -> tuple[float, float]:
    """Seconds and the best val_loss of one of them, in a fresh scratch folder.

    Raises:
        SystemExit: it failed; the end of its log is the message.
    """
    with tempfile.TemporaryDirectory(prefix="recur-article-") as where:
        folder = Path(where)
        prepare(folder, windows, epochs)
        out, log = folder / "stdout.txt", folder / "stderr.txt"
        environment = os.environ | QUIET | {"PYTHONPATH": str(Path.cwd())}
        with out.open("w") as stdout, log.open("w") as stderr, chdir(folder):
            usage = timed(COMMANDS[name], env=environment, stdout=stdout, stderr=stderr)
        if usage.returncode:
            raise SystemExit(
                f"{name} failed with {usage.returncode}:\n{log.read_text(errors='replace')[-3000:]}"
            )
        said = out.read_text()
        score = json.loads(said)["score"] if name == "recur" else float(said.split()[-1])
        return usage.seconds, score


def main() -> None:
    """Print seconds, best val_loss and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(COMMANDS))
    parser.add_argument("--windows", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=9)
    given = parser.parse_args()
    adopt_orphans()
    seconds = {}
    for name in given.only.split(","):
        seconds[name], score = measure(name, given.windows, given.epochs)
        print(f"{name:12} {seconds[name]:8.1f} s   best val_loss {score:.4f}", flush=True)
    if len(seconds) == 2:
        print(f"KerasTuner / Recur {seconds['kerastuner'] / seconds['recur']:.2f}")


if __name__ == "__main__":
    main()
