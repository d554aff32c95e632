"""Whether the engine learns what Keras's ``fit`` learns: validation loss over several seeds.

Run as ``python -m tests.benchmarks.same_loss [--seeds 5] [--epochs 5]``.

GRU(32), LSTM(32) and SimpleRNN(32) are trained on the same windows, from other weights and in another order
for each seed, by ``jobs.train`` and by ``fit``.  Printed are mean and standard deviation over the seeds, and
the distance of the means in standard errors.
"""

from __future__ import annotations

import argparse
import os
from typing import Any

import numpy as np

from runner.process import environment
from tests.benchmarks._panel import COLUMNS, HORIZON, make_panel, make_params, make_task

LOOKBACK, UNITS, CELLS = 48, 32, ("simple_rnn", "lstm", "gru")


class _Last:
    """Hooks that keep the last score."""

    score: float | None = None

    def report(self, report: object) -> bool:
        """Keep it."""
        self.score = report.metrics["val_mse"]  # type: ignore[attr-defined]
        return True

    def save(self, *, state: Any, model: bytes | None, epoch: int, wait: bool) -> None:
        """Drop it."""
        del state, model, epoch, wait

    def interrupted(self, *, alive: bool = True) -> bool:
        """Stay."""
        del alive
        return False


def losses(cell: str, seed: int, epochs: int) -> tuple[float, float]:
    """Validation MSE in scaled units after the last epoch: the engine's and Keras's."""
    import keras

    from jobs.train import train
    from jobs.windows import make_windows

    panel = make_panel(4000)
    params = make_params(cell, 1, UNITS, lookback=LOOKBACK, epochs=epochs)
    task = make_task(params, panel, seed)
    ours = _Last()
    train(task, ours)
    scaler, windows = task.scalers[0], make_windows(task.folds[0], params.window)
    rows = ((panel.rows - scaler.centre) / scaler.spread).astype(np.float32)
    x, y = (
        [rows[starts[:, None] + steps] for starts in (windows.train[:], windows.validation[:])]
        for steps in (np.arange(LOOKBACK), np.arange(LOOKBACK, LOOKBACK + HORIZON))
    )
    keras.utils.set_random_seed(seed)
    layer = {"simple_rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[cell]
    model = keras.Sequential([keras.Input((LOOKBACK, COLUMNS)), layer(UNITS), keras.layers.Dense(HORIZON)])
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="mse")
    model.fit(x[0], y[0][:, :, 0], batch_size=64, epochs=epochs, verbose=0)
    theirs = model.evaluate(x[1], y[1][:, :, 0], batch_size=256, verbose=0)
    return float(ours.score or np.nan), float(theirs)


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.same_loss", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=5)
    arguments = parser.parse_args()
    os.environ.update(environment(backend="tensorflow", threads=1))
    for cell in CELLS:
        found = np.array([losses(cell, seed, arguments.epochs) for seed in range(arguments.seeds)])
        mean, deviation = found.mean(axis=0), found.std(axis=0, ddof=1)
        apart = abs(mean[0] - mean[1]) / np.sqrt((deviation**2).sum() / len(found))
        both = ", ".join(
            f"{name} {mean[index]:.4f} +- {deviation[index]:.4f}"
            for index, name in enumerate(("Recur", "fit"))
        )
        print(f"{cell:<12}{both}: {apart:.1f} standard errors apart", flush=True)


if __name__ == "__main__":
    main()
