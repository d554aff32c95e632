"""What ``recur status`` and ``recur best`` take on a large sweep, running, finished and without a summary.

Run as ``python -m tests.benchmarks.reading [--trials 10000] [--epochs 30] [--repeat 5]``.

The journal is written by the runner's own writer, with the upkeep that a running sweep has: as fast as it
takes records, the last tenth at ``--pace``, which is more than the runner hears.  Scores are random and
nothing is trained.  *running*: the writer is still there, and the end of its journal is in no summary yet.
*finished*: it has closed it.  *bare*: neither summary nor merged segments, as a journal of version 1.  Times
are of the whole command, its imports included: the median over the runs, the slowest, and the processor's
median, which other load on the machine hardly changes.  Nothing is asserted about time.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import numpy as np

from cluster.lease import Lease
from cluster.storage import Storage, SweepFolder
from jobs.jobfile import dump_job
from runner.journal import VERSION, Event, encode, read_journal
from runner.upkeep import Upkeep
from runner.writer import Journal
from tests.runner.curves import make_job

_RUNGS = (1, 3, 9)
_VITALS = ("train_seconds", "windows_per_second", "gradient_norm", "gradient_norm_max", "peak_memory_mb")
_BURST = 100  # records between two looks at the clock


def events(trials: int, epochs: int) -> Iterator[Event]:
    """Those of a sweep without early stopping, one trial after the other."""
    rng = np.random.default_rng(7)
    yield {"event": "start", "version": VERSION, "versions": {}, "planned": trials, "fidelity": {}}
    for number in range(trials):
        trial = f"{number:05d}"
        values = {"model.units": int(rng.integers(1000)), "train.learning_rate": rng.random()}
        yield {"event": "trial", "trial": trial, "number": number, "values": values}
        yield {"event": "leg", "trial": trial, "epoch": 0}
        scores = rng.random(epochs)
        for epoch in range(1, epochs + 1):
            yield _result(trial, epoch, scores, dict(zip(_VITALS, rng.random(len(_VITALS)), strict=True)))
        yield {"event": "end", "trial": trial, "state": "done", "error": None}


def _result(trial: str, epoch: int, scores: np.ndarray, vitals: dict[str, float]) -> Event:
    best = int(scores[:epoch].argmin())
    return {
        "event": "result",
        "trial": trial,
        "epoch": epoch,
        "score": scores[epoch - 1],
        "best_score": scores[best],
        "best_epoch": best + 1,
        "metrics": {"loss": scores[epoch - 1], "val_loss": scores[epoch - 1]},
        "seconds": 0.1,
        "ended": "done" if epoch == len(scores) else None,
        "vitals": vitals,
        "rung": epoch in _RUNGS,
    }


def measure(title: str, folder: SweepFolder, repeat: int) -> None:
    """Run each command so often; print how long it took."""
    for command in ("status", "best"):
        line = [sys.executable, "-m", "runner.cli", command, folder.uri]
        seconds, busy = [], []
        for _ in range(repeat):
            start, used = time.perf_counter(), _cpu_seconds()
            subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
            seconds.append(time.perf_counter() - start)
            busy.append(_cpu_seconds() - used)
        figures = (statistics.median(seconds), max(seconds), statistics.median(busy))
        print(f"{title:<10}{command:<8}" + "".join(f"{figure:>10.2f}" for figure in figures))


def _cpu_seconds() -> float:
    """Of all commands so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def append(journal: Journal, found: list[Event], pace: float) -> None:
    """Append so many records a second."""
    begun = time.perf_counter()
    for count, event in enumerate(found):
        if count % _BURST == 0:
            time.sleep(max(0.0, begun + count / pace - time.perf_counter()))
        journal.append(event | {"time": time.time()})


def write(folder: SweepFolder, found: list[Event], pace: float, repeat: int) -> None:
    """Write the journal as a run of the sweep does; measure before its end."""
    lease = Lease(folder)
    lease.take()
    begun = time.perf_counter()
    with Upkeep(folder):
        journal = Journal(folder, tick=lease.renew)
        most = len(found) * 9 // 10
        append(journal, found[:most], math.inf)
        append(journal, found[most:], pace)
        print(f"written in {time.perf_counter() - begun:.1f} s")
        measure("running", folder, repeat)
        journal.append({"event": "finish", "state": "done", "time": time.time()})
        journal.close()
        begun = time.perf_counter()
    print(f"closed in {time.perf_counter() - begun:.1f} s")
    lease.release()


def main() -> None:
    """Write and measure; print a line for each state and command."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.reading", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--trials", type=int, default=10_000, help="%(default)s")
    parser.add_argument("--epochs", type=int, default=30, help="results that each has: %(default)s")
    parser.add_argument("--pace", type=float, default=5_000, help="records a second: %(default)s")
    parser.add_argument("--repeat", type=int, default=5, help="runs of each command: %(default)s")
    arguments = parser.parse_args()
    print(f"{arguments.trials} x {arguments.epochs}, {os.cpu_count()} cores, {platform.machine()}")
    print(f"{'journal':<10}{'command':<8}{'median s':>10}{'most s':>10}{'CPU s':>10}")
    with tempfile.TemporaryDirectory(prefix="recur-reading-") as scratch:
        folder = Storage.open(scratch).sweep("large")
        folder.write(folder.SPEC, dump_job(make_job()).encode())
        found = list(events(arguments.trials, arguments.epochs))
        write(folder, found, arguments.pace, arguments.repeat)
        measure("finished", folder, arguments.repeat)
        lines = b"".join(map(encode, read_journal(folder)))
        folder.delete(folder.JOURNAL)
        folder.write(folder.segment(1), lines)
        measure("bare", folder, 1)


if __name__ == "__main__":
    main()
