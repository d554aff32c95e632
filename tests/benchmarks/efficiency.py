"""How much of a sweep's time is training steps: a mixed sweep against the bare steps that it did.

Run as ``python -m tests.benchmarks.efficiency [--trials 160]``; about ten minutes on two cores.

``recur run`` searches 24 shapes (three cells, 1-2 layers, 16-64 units) by ASHA on 8,640 windows of lookback
96.  Afterwards one step of each shape is timed: XLA's program, compiled before, over batches that are in
memory already, on every core at a time.  The share is the steps that the sweep did, each at that time, over
cores x the whole process's wall time: start-up, validation, checkpoints and the test score are in it.
Nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from runner.process import environment
from tests.benchmarks._panel import COLUMNS, HORIZON, make_panel, make_params, unscaled

WINDOWS, VALIDATION, LOOKBACK, BATCH = 8_640, 1_500, 96, 64
RECUR = Path(sys.executable).with_name("recur")


def job(folder: Path, trials: int) -> Path:
    """The data and the job file."""
    steps = WINDOWS + LOOKBACK + HORIZON - 1 + VALIDATION + HORIZON - 1 + HORIZON
    rows = make_panel(steps).rows
    names = [f"c{index}" for index in range(COLUMNS)]
    time_ = pd.date_range("2024-01-01", periods=steps, freq="h")
    pd.DataFrame(rows, columns=names).assign(time=time_).to_parquet(folder / "series.parquet", index=False)
    written = {
        "name": "mixed",
        "data": {
            "path": str(folder / "series.parquet"),
            "time": "time",
            "target": names[0],
            "past": names[1:],
            "split": {"validation": VALIDATION + HORIZON - 1, "test": HORIZON},
        },
        "window": {"lookback": LOOKBACK, "horizon": HORIZON},
        "model": {
            "cell": {"choice": ["simple_rnn", "lstm", "gru"]},
            "layers": {"int": {"min": 1, "max": 2}},
            "units": {"choice": [16, 32, 48, 64]},
        },
        "train": {
            "learning_rate": {"float": {"min": 1e-4, "max": 1e-2, "sampling": "log"}},
            "batch_size": BATCH,
            "max_epochs": 27,
            "early_stopping": None,
        },
        "search": {"scheduler": "asha", "trials": trials, "seed": 7},
    }
    path = folder / "job.yaml"
    path.write_text(yaml.safe_dump(written))
    return path


def steps_of(folder: Path) -> Counter[str]:
    """Training steps of each shape, from the sweep's own table."""
    table = pd.read_parquet(folder / "mixed" / "trials.parquet")
    found: Counter[str] = Counter()
    for row in table.to_dict("records"):
        shape = f"{row['hp.model.cell']} {row['hp.model.layers']} {row['hp.model.units']}"
        found[shape] += int(row["epochs_trained"]) * -(-WINDOWS // BATCH)
    return found


def step_seconds(shapes: list[str]) -> dict[str, float]:
    """Of each shape, the median time of one precompiled step over resident batches."""
    from jobs.learner import Learner
    from jobs.schedules import constant

    panel = make_panel(WINDOWS)
    found = {}
    for shape in shapes:
        cell, layers, units = shape.split()
        params = make_params(cell, int(layers), int(units), lookback=LOOKBACK, epochs=1)
        learner = Learner(params, panel, unscaled(panel), 0)
        learner.expect(10**9, 1)  # work enough for XLA
        count = learner._training.capacity
        times = []
        for _ in range(5):
            learner.seconds.clear()
            learner.train(np.arange(count * BATCH), lambda _, n: constant(1e-3, n), lambda: None)
            times.append(learner.seconds["train"] / count)
        found[shape] = float(np.median(times))
    return found


def _timed(shapes: list[str], cores: int) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.efficiency", "--shapes"]
    children = [
        subprocess.Popen(
            [*command, json.dumps(shapes[core::cores])],
            env=environment(backend="tensorflow", threads=1),
            stdout=subprocess.PIPE,
            text=True,
        )
        for core in range(cores)
    ]
    found: dict[str, float] = {}
    for child in children:
        found |= json.loads(child.communicate()[0].splitlines()[-1])
    return found


def vitals(folder: Path) -> Counter[str]:
    """Seconds of each kind of work, summed over all epochs of the journal."""
    total: Counter[str] = Counter()
    for path in (folder / "mixed" / "journal").iterdir():
        for line in path.read_text().splitlines():
            event: dict[str, Any] = json.loads(line[line.index("{") : line.rindex("}") + 1])
            for name, value in event.get("vitals", {}).items():
                if name.endswith("_seconds"):
                    total[name.removesuffix("_seconds")] += value
    return total


def main() -> None:
    """Run the sweep, time the steps, print the share."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.efficiency", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--trials", type=int, default=160)
    parser.add_argument("--shapes", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.shapes is not None:
        print(json.dumps(step_seconds(arguments.shapes)))
        return
    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory(prefix="recur-bench-") as temporary:
        folder = Path(temporary)
        command = [str(RECUR), "run", str(job(folder, arguments.trials)), "--storage", str(folder), "--json"]
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wall = time.perf_counter() - began
        steps, spent = steps_of(folder), vitals(folder)
    each = _timed(sorted(steps), cores)
    bare = sum(count * each[shape] for shape, count in steps.items())
    print(f"{arguments.trials} trials, {sum(steps.values())} steps of {len(steps)} shapes, {cores} cores")
    print(f"wall {wall:.1f} s, bare steps {bare:.1f} s of one core: {bare / (cores * wall):.0%} of the time")
    for kind, seconds in spent.most_common():
        print(f"{kind:<12}{seconds:>8.1f} s of a core  {seconds / (cores * wall):>5.0%}")


if __name__ == "__main__":
    main()
