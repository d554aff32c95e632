"""What the runner itself costs: ms for each of many trials that do no work, and whether that grows with them.

Run as ``python -m tests.benchmarks.trivial_trials [--trials 1000,10000] [--epochs 1] [--repeat 3]``.

Everything of ``recur run`` is real (Ray on this machine, actors, training processes and their pipes, the
conductor, ASHA, the journal and checkpoints on the local disk) but for the training itself: a trial reports
``--epochs`` epochs at once, with random scores (``_trivial_worker``).  Beside it, for scale, plain Ray Tune:
a class trainable that returns a random number, ASHA, ``reuse_actors=True``.

``ms/trial`` counts from the first trial's end to the last one's, ``first`` and ``last`` the same for the
first and last tenth; ``seconds`` is the whole process with imports and the start and end of Ray; ``ratio`` is
of ``ms/trial`` to that of the first size; ``MB`` is the driver's peak, and ``KB/trial`` what it has grown by.
All are medians over the runs.  On a disk that others use too, its flushes are most of the time: the
checkpoint of a trial takes two.  Nothing is asserted about time.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from pyarrow import fs as pafs

from cluster.storage import Storage
from jobs.sample import sample_panel
from runner.journal import Event, read_journal
from tests.benchmarks._processes import adopt_orphans, timed

ROOT = Path(__file__).resolve().parents[2]
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(ROOT)}


@dataclass(frozen=True)
class Load:
    """How much is to be run."""

    trials: int
    epochs: int
    workers: int

    @property
    def results(self) -> int:
        """How many there are, if nobody is stopped."""
        return self.trials * self.epochs


@dataclass(frozen=True)
class System:
    """One competitor: the command that runs a load in a folder, and when what is counted happened."""

    title: str
    command: Callable[[Load, Path], list[str]]
    times: Callable[[Path], list[float]]
    env: dict[str, str] = field(default_factory=dict)


def recur_command(load: Load, folder: Path, scheduler: str) -> list[str]:
    """``recur run`` with trials that do no work, and all that it reads."""
    sample_panel(str(folder / "data"), pafs.LocalFileSystem(), length=240, shards=1)
    job = yaml.safe_load((folder / "data" / "job.yaml").read_text())
    job |= {
        "name": "trivial",
        "window": {"lookback": 8, "horizon": 2},
        "model": {"cell": "gru", "units": {"int": {"min": 1, "max": 1000}}},
        "train": {
            "learning_rate": {"float": {"min": 1e-4, "max": 1e-2, "sampling": "log"}},
            "max_epochs": load.epochs,
        },
        "search": {"scheduler": scheduler, "factor": 3, "trials": load.trials, "seed": 7},
    }
    (folder / "data" / "job.yaml").write_text(yaml.safe_dump(job))
    recur = [sys.executable, "-c", "from tests.benchmarks._trivial_recur import run; run()"]
    options = ["--storage", str(folder / "sweeps"), "--workers", str(load.workers), "--json"]
    return [*recur, "run", str(folder / "data" / "job.yaml"), *options]


def events_of(folder: Path) -> list[Event]:
    """The journal that ``recur_command`` has left."""
    return read_journal(Storage.open(str(folder / "sweeps")).sweep("trivial"))


def ray_command(load: Load, folder: Path, scheduler: str) -> list[str]:
    """The same with plain Ray Tune; it prints when trials ended, and when it heard results."""
    script = [sys.executable, "-m", "tests.benchmarks._trivial_ray", str(folder / "ray")]
    return [*script, str(load.trials), str(load.epochs), scheduler]


def ray_times(folder: Path) -> dict[str, list[float]]:
    """What ``ray_command`` has printed."""
    times: dict[str, list[float]] = json.loads((folder / "stdout.txt").read_text().splitlines()[-1])
    return times


RECUR = System(
    "Recur",
    lambda load, folder: recur_command(load, folder, "asha"),
    lambda folder: [event["time"] for event in events_of(folder) if event["event"] == "end"],
)
RAY = System(
    "plain Ray Tune",
    lambda load, folder: ray_command(load, folder, "asha"),
    lambda folder: ray_times(folder)["ends"],
)


@dataclass(frozen=True)
class Result:
    """What one run took."""

    title: str
    load: Load
    seconds: float
    cpu_seconds: float | None
    times: list[float]
    peak: int = 0

    def pace(self, begin: float = 0.0, end: float = 1.0) -> float:
        """Milliseconds a trial over a stretch of the run, given in parts of its trials."""
        first, last = int(begin * (len(self.times) - 1)), int(end * (len(self.times) - 1))
        return 1000 * (self.times[last] - self.times[first]) / max(1, last - first)


def measure(system: System, load: Load, count: int) -> Result:
    """Run one system in a fresh scratch folder; what is counted has to happen ``count`` times.

    Raises:
        SystemExit: it failed; the end of its log is the message.
    """
    print(f"running {load.trials} trials with {system.title} ...", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="recur-trivial-") as scratch:
        folder = Path(scratch)
        out, log = folder / "stdout.txt", folder / "stderr.txt"
        with out.open("w") as stdout, log.open("w") as stderr:
            env = os.environ | QUIET | system.env
            usage = timed(system.command(load, folder), env=env, stdout=stdout, stderr=stderr)
        if usage.returncode:
            tail = log.read_text(errors="replace")[-3_000:]
            raise SystemExit(f"{system.title} failed with exit code {usage.returncode}:\n{tail}")
        times = system.times(folder)
        if len(times) != count:
            raise SystemExit(f"{system.title} came to {len(times)} of {count}")
        return Result(system.title, load, usage.seconds, usage.cpu_seconds, times, usage.peak)


FIGURES: dict[str, Callable[[Result], float]] = {
    "ms/trial": lambda result: result.pace(),
    "first": lambda result: result.pace(end=0.1),
    "last": lambda result: result.pace(begin=0.9),
    "seconds": lambda result: result.seconds,
    "MB": lambda result: result.peak / 1e6,
    "CPU s": lambda result: math.nan if result.cpu_seconds is None else result.cpu_seconds,
}


def table(results: list[Result]) -> str:
    """A line for each system and size: medians over its runs, and the ratio to the system's first size."""
    title = f"{results[0].load.epochs} epoch(s) a trial, {os.cpu_count()} cores, {platform.machine()}"
    heads = [*FIGURES, "ratio", "KB/trial"]
    lines = [title, f"{'system':<16}{'trials':>8}" + "".join(f"{head:>10}" for head in heads)]
    base: dict[str, tuple[float, float, int]] = {}
    for name, size in dict.fromkeys((result.title, result.load.trials) for result in results):
        runs = [result for result in results if (result.title, result.load.trials) == (name, size)]
        medians = [statistics.median(map(figure, runs)) for figure in FIGURES.values()]
        memory = statistics.median(result.peak for result in runs)
        pace, less, fewer = base.setdefault(name, (medians[0], memory, size))
        more = (memory - less) / 1e3 / (size - fewer) if size > fewer else math.nan
        values = [*medians, medians[0] / pace, more]
        lines.append(f"{name:<16}{size:>8}" + "".join(f"{value:>10.2f}" for value in values))
    return "\n".join(lines)


def main() -> None:
    """Run every size with Recur and the smallest with plain Ray Tune; print how they compare."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.trivial_trials", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--trials", default="1000,10000", help="sizes, comma-separated: %(default)s")
    parser.add_argument("--epochs", type=int, default=1, help="epochs a trial reports: %(default)s")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="trials at a time: %(default)s")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each, in turn: %(default)s")
    parser.add_argument("--only-recur", action="store_true", help="leave plain Ray Tune out")
    arguments = parser.parse_args()
    adopt_orphans()
    loads = [Load(int(size), arguments.epochs, arguments.workers) for size in arguments.trials.split(",")]
    results = []
    for _ in range(arguments.repeat):
        results += [] if arguments.only_recur else [measure(RAY, loads[0], loads[0].trials)]
        results += [measure(RECUR, load, load.trials) for load in loads]
    print(table(results))


if __name__ == "__main__":
    main()
