"""KerasTuner's own search over the work's grid; run as a process of its own by ``engine``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keras_tuner

from tests.benchmarks._engine_work import BATCH_SIZE, Work, build, load_windows


def search(work: Work) -> list[float]:
    """Each trial's best val_loss, by ``tuner.search`` on NumPy windows as in KerasTuner's guides.

    GridSearch is its tuner that visits every configuration exactly once.
    """
    grid = work.grid

    def hypermodel(hp: Any) -> Any:
        cell = hp.Choice("cell", list(grid.cells))
        return build(cell, hp.Choice("layers", list(grid.layers)), hp.Choice("units", list(grid.units)))

    tuner = keras_tuner.GridSearch(
        hypermodel, "val_loss", directory=work.folder / "tuner", project_name="engine"
    )
    training, validation = load_windows(work.series)
    tuner.search(*training, validation_data=validation, epochs=work.epochs, batch_size=BATCH_SIZE, verbose=0)
    return [trial.score for trial in tuner.oracle.get_best_trials(grid.size)]


if __name__ == "__main__":
    todo = Work.load(Path(sys.argv[1]))
    todo.save_scores(search(todo))
