"""Results per second through the runner, of many trials that report as fast as they can.

Run as ``python -m tests.benchmarks.results [--trials 200] [--epochs 100] [--repeat 3]``.

Everything of ``recur run`` is real, the journal too, but for the training (see ``trivial_trials``).  Beside
it, on the same machine and in turn, plain Ray Tune with a class trainable that returns a random number and
``reuse_actors=True``: once as it comes, with its loggers, once with
``TUNE_DISABLE_AUTO_CALLBACK_LOGGERS=1``.  Nobody stops a trial early, so that all tell the same number of
results.

``results/s`` counts from the first result that the driver heard to the last one; ``seconds`` is the whole
process with imports and the start and end of Ray; ``ratio`` is of Recur's results/s to the other's.  All are
medians over the runs.  Nothing is asserted about time.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
from pathlib import Path

from tests.benchmarks._processes import adopt_orphans
from tests.benchmarks.trivial_trials import (
    Load,
    Result,
    System,
    events_of,
    measure,
    ray_command,
    ray_times,
    recur_command,
)


def _heard(folder: Path) -> list[float]:
    return [event["time"] for event in events_of(folder) if event["event"] == "result"]


def _noted(folder: Path) -> list[float]:
    return ray_times(folder)["results"]


RECUR = System("Recur", lambda load, folder: recur_command(load, folder, "none"), _heard)
RAY = System("Ray Tune", lambda load, folder: ray_command(load, folder, "none"), _noted)
QUIET_RAY = System(
    "Ray Tune, no loggers", RAY.command, _noted, env={"TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1"}
)


def pace(result: Result) -> float:
    """Results per second."""
    return (len(result.times) - 1) / (result.times[-1] - result.times[0])


def table(results: list[Result]) -> str:
    """A line for each system: medians over its runs, and how many times as fast Recur is."""
    load = results[0].load
    title = f"{load.trials} trials of {load.epochs} results, {os.cpu_count()} cores, {platform.machine()}"
    lines = [title, f"{'system':<24}{'results/s':>12}{'seconds':>10}{'ratio':>8}"]
    runs = {name: [r for r in results if r.title == name] for name in dict.fromkeys(r.title for r in results)}
    paces = {name: statistics.median(map(pace, found)) for name, found in runs.items()}
    for name, found in runs.items():
        seconds = statistics.median(result.seconds for result in found)
        ratio = paces[RECUR.title] / paces[name]
        lines.append(f"{name:<24}{paces[name]:>12.0f}{seconds:>10.1f}{ratio:>8.2f}")
    return "\n".join(lines)


def main() -> None:
    """Run all three, in turn; print how they compare."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.results", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--trials", type=int, default=200, help="%(default)s")
    parser.add_argument("--epochs", type=int, default=100, help="results that each tells: %(default)s")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="trials at a time: %(default)s")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each, in turn: %(default)s")
    arguments = parser.parse_args()
    adopt_orphans()
    load = Load(arguments.trials, arguments.epochs, arguments.workers)
    systems = (RECUR, RAY, QUIET_RAY)
    print(table([measure(system, load, load.results) for _ in range(arguments.repeat) for system in systems]))


if __name__ == "__main__":
    main()
