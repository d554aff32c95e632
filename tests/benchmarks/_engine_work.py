"""The work of the engine comparison: configurations, series, windows, network; the same for every system."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from pathlib import Path

CELLS = ("simple_rnn", "lstm", "gru")
LAYERS = (1, 2)
UNITS = (16, 32, 48, 64)
LOOKBACK, HORIZON = 48, 24
TRAINING_WINDOWS, VALIDATION_WINDOWS = 3_000, 1_000
BATCH_SIZE, LEARNING_RATE = 64, 1e-3
COLUMNS = ("y", "x1", "x2", "x3", "x4", "x5", "x6")

# Training windows lie wholly inside the training part; a validation window's targets lie inside the
# validation part and its inputs may begin before it.  The test part is as small as one window's target.
TRAINING_STEPS = TRAINING_WINDOWS + LOOKBACK + HORIZON - 1
VALIDATION_STEPS = VALIDATION_WINDOWS + HORIZON - 1
TEST_STEPS = HORIZON


@dataclass(frozen=True)
class Grid:
    """Every combination of cells, layers and units: what each system trains, once each."""

    cells: tuple[str, ...]
    layers: tuple[int, ...]
    units: tuple[int, ...]

    @property
    def size(self) -> int:
        """The number of configurations."""
        return len(self.cells) * len(self.layers) * len(self.units)

    @classmethod
    def of_size(cls, size: int) -> Grid:
        """The grid of exactly ``size`` configurations with as many cells, then layers, as that allows."""
        lengths = itertools.product((3, 2, 1), (2, 1), (4, 3, 2, 1))
        for cells, layers, units in lengths:
            if cells * layers * units == size:
                return cls(CELLS[:cells], LAYERS[:layers], UNITS[:units])
        raise ValueError(f"no grid of {size} configurations; take 1-4, 6, 8, 9, 12, 16, 18 or 24")


@dataclass(frozen=True)
class Work:
    """What one system is asked to do, in a scratch folder of its own."""

    folder: Path
    grid: Grid
    epochs: int

    @property
    def series(self) -> Path:
        """The data, as a Parquet file."""
        return self.folder / "series.parquet"

    def save(self) -> None:
        """Write the data, and the rest where the system's own process reads it."""
        write_series(self.series)
        raw = {"grid": vars(self.grid), "epochs": self.epochs}
        (self.folder / "work.json").write_text(json.dumps(raw))

    @classmethod
    def load(cls, folder: Path) -> Work:
        """Read what ``save`` wrote."""
        raw = json.loads((folder / "work.json").read_text())
        grid = Grid(**{name: tuple(values) for name, values in raw["grid"].items()})
        return cls(folder, grid, raw["epochs"])

    def save_scores(self, scores: list[float]) -> None:
        """Leave every trial's best val_loss for the process that measures."""
        (self.folder / "scores.json").write_text(json.dumps(scores))

    def best_score(self) -> float:
        """The best of ``save_scores``, after checking that no trial is missing."""
        scores: list[float] = json.loads((self.folder / "scores.json").read_text())
        if len(scores) != self.grid.size:
            raise RuntimeError(f"{len(scores)} trials were completed of {self.grid.size}")
        return min(scores)


def write_series(path: Path, seed: int = 7) -> None:
    """One hourly series with daily and weekly seasons and six covariates that lead or follow it."""
    steps = TRAINING_STEPS + VALIDATION_STEPS + TEST_STEPS
    rng = np.random.default_rng(seed)
    t = np.arange(steps)
    season = np.sin(2 * np.pi * t / 24) + 0.5 * np.sin(2 * np.pi * t / 168)
    noise = np.convolve(rng.normal(size=steps), 0.9 ** np.arange(40), mode="same") * 0.2
    columns = {"y": season + noise}
    for index in range(1, len(COLUMNS)):
        columns[COLUMNS[index]] = np.roll(season + noise, index) + rng.normal(scale=0.3, size=steps)
    time = pd.date_range("2024-01-01", periods=steps, freq="h")
    pd.DataFrame({"time": time, **columns}).to_parquet(path, index=False)


def load_windows(path: Path) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Training and validation windows as NumPy arrays, scaled by the training part's mean and deviation."""
    rows = pd.read_parquet(path)[list(COLUMNS)].to_numpy()
    part = rows[:TRAINING_STEPS]
    rows = ((rows - part.mean(0)) / part.std(0)).astype(np.float32)
    training = _windows(rows, np.arange(TRAINING_WINDOWS))
    return training, _windows(rows, np.arange(VALIDATION_WINDOWS) + TRAINING_STEPS - LOOKBACK)


def _windows(rows: Any, starts: Any) -> tuple[Any, Any]:
    inputs = rows[starts[:, None] + np.arange(LOOKBACK)]
    return inputs, rows[starts[:, None] + np.arange(LOOKBACK, LOOKBACK + HORIZON), 0]


def build(cell: str, layers: int, units: int) -> Any:
    """The compiled network of one configuration, in plain Keras; imported late, as Ray's trials do it."""
    import keras

    layer = {"simple_rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[cell]
    stack = [layer(units, return_sequences=index < layers - 1) for index in range(layers)]
    model = keras.Sequential([keras.Input((LOOKBACK, len(COLUMNS))), *stack, keras.layers.Dense(HORIZON)])
    model.compile(optimizer=keras.optimizers.Adam(LEARNING_RATE), loss="mse")
    return model
