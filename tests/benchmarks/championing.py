"""What reading a champion takes while others are promoted, and whether it is ever seen half.

Run as ``python -m tests.benchmarks.championing [--reads 1000] [--storage URI]``.

Another process promotes three sweeps in turn and rolls back now and then, without a pause.  Each read is one
of the storage, in this process, and is checked against the sweeps: a pointer is torn if it is no champion, or
the manifest that it names is not its sweep's.  The processor's time is what other load on the machine hardly
changes.  Nothing is asserted about time.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time

import numpy as np

from cluster.errors import ClusterError
from cluster.schedules import ScheduleFolder
from cluster.storage import Storage
from runner.launch import read_spec
from runner.recurring.champion import crown, rollback
from runner.recurring.pointer import manifest_digest, read_champion
from tests.runner.recurring.published import plain_sweep, schedule

_SWEEPS = "abc"


def promote_for_ever(folder: ScheduleFolder) -> None:
    """Until it is killed."""
    job, number = read_spec(folder.storage.sweep("a")), 0
    while True:
        number += 1
        sweep = folder.storage.sweep(_SWEEPS[number % 3])
        crown(folder, sweep, job, scores={"model": {"mse": number}}, why=f"number {number}", by="benchmark")
        if number % 5 == 0:
            rollback(folder, by="benchmark", why=f"back from number {number}")


def measure(folder: ScheduleFolder, reads: int) -> None:
    """Read so often, and print what it took."""
    manifests = {name: manifest_digest(folder.storage.sweep(name)) for name in _SWEEPS}
    command = [sys.executable, "-m", "tests.benchmarks.championing", "--promote", folder.storage.uri]
    with subprocess.Popen(command) as process:
        while read_champion(folder) is None:
            time.sleep(0.01)
        torn, seconds, processor, seen = 0, [], [], set()
        for _ in range(reads):
            begun, used = time.perf_counter(), time.thread_time()
            try:
                found = read_champion(folder)
            except ClusterError:
                found = None
            seconds.append(time.perf_counter() - begun)
            processor.append(time.thread_time() - used)
            torn += found is None or manifests.get(found.sweep) != found.manifest
            seen.add(found and found.since)
            time.sleep(0.001)
        process.kill()
    print(f"{folder.storage.uri}: {reads:,} reads, {len(seen)} champions seen, {torn} torn")
    for what, times in (("waited", seconds), ("of the processor", processor)):
        median, most, slowest = 1e3 * np.quantile(times, [0.5, 0.99, 1])
        print(f"{what}: median {median:.3f} ms, 99 % {most:.3f} ms, slowest {slowest:.3f} ms")


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reads", type=int, default=1000)
    parser.add_argument("--storage", help="a folder or URI that holds nothing; one of its own by default")
    parser.add_argument("--promote", metavar="URI", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.promote:
        promote_for_ever(ScheduleFolder.of(Storage.open(asked.promote), "nightly"))
    with tempfile.TemporaryDirectory() as folder:
        storage = Storage.open(asked.storage or folder)
        for name in _SWEEPS:
            plain_sweep(storage, name)
        measure(schedule(storage), asked.reads)


if __name__ == "__main__":
    main()
