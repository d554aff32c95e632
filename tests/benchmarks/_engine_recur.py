"""The same work as a Recur job, and what ``recur run --json`` says of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.benchmarks import _engine_work as engine

RECUR = Path(sys.executable).with_name("recur")


def job(work: engine.Work) -> dict[str, Any]:
    """The job file: random search without repetition for as many trials as the grid has visits all of it."""
    target, *past = engine.COLUMNS
    split = {"validation": engine.VALIDATION_STEPS, "test": engine.TEST_STEPS}
    return {
        "name": "engine",
        "data": {
            "path": str(work.series),
            "time": "time",
            "target": target,
            "past": past,
            "split": split,
        },
        "window": {"lookback": engine.LOOKBACK, "horizon": engine.HORIZON, "scale": "standard"},
        "model": {
            "cell": {"choice": list(work.grid.cells)},
            "layers": {"int": {"min": work.grid.layers[0], "max": work.grid.layers[-1]}},
            "units": {"choice": list(work.grid.units)},
        },
        "train": {
            "learning_rate": engine.LEARNING_RATE,
            "batch_size": engine.BATCH_SIZE,
            "max_epochs": work.epochs,
            "early_stopping": None,
        },
        "search": {"algorithm": "random", "scheduler": "none", "trials": work.grid.size, "seed": 7},
    }


def command(work: engine.Work) -> list[str]:
    """Write the job file; the command that runs it, as a user would type it."""
    path = work.folder / "engine.yaml"
    path.write_text(yaml.safe_dump(job(work), sort_keys=False))
    return [str(RECUR), "run", str(path), "--storage", str(work.folder / "sweeps"), "--json"]


def score(work: engine.Work, stdout: str) -> float:
    """The best val_loss, after checking that the sweep did all of the work and no more."""
    result = json.loads(stdout)
    expected = work.grid.size * work.epochs
    if result["epochs_trained"] != expected:
        raise RuntimeError(f"Recur trained {result['epochs_trained']} epochs of {expected}")
    return float(result["score"])
