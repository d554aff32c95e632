"""What an idle server costs that looks after many schedules, and how late it decides on ticks.

Run as ``python -m tests.benchmarks.serving [--schedules 200] [--minutes 60]``.

Every schedule is due once an hour, a few in each minute, and paused: ticks are recorded and nothing is run.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cluster.scheduledocs import Definition
from cluster.schedules import ScheduleFolder, schedules
from cluster.storage import Storage

_JOB = b"name: night\ndata: {path: data, time: t, target: y}\nwindow: {horizon: 1}\n"


def add(storage: Storage, count: int) -> None:
    moment = dt.datetime.now(dt.UTC)
    for number in range(count):
        folder = ScheduleFolder.of(storage, f"schedule-{number:03d}")
        folder.write(folder.JOB, _JOB)
        folder.define(
            Definition(f"{number % 60} * * * *", "Europe/Berlin", moment, moment, "me", paused=True)
        )


def used(pid: int) -> tuple[float, float]:
    """Seconds of CPU, and resident megabytes."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    resident = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), int(resident) / 1024


def delays(storage: Storage) -> list[float]:
    found = []
    for name in schedules(storage):
        records, _ = ScheduleFolder.of(storage, name).history()
        found += [(record.time - record.tick).total_seconds() for record in records if record.tick]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=60.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        storage = Storage.open(root)
        add(storage, given.schedules)
        command = [sys.executable, "-m", "runner.cli", "schedule", "serve", "--storage", root, "--port", "0"]
        server = subprocess.Popen(command)
        time.sleep(10)  # it has started and met them all
        began, before = time.monotonic(), used(server.pid)[0]
        time.sleep(given.minutes * 60)
        after, resident = used(server.pid)
        seconds = time.monotonic() - began
        server.terminate()
        code = server.wait(30)
        late = delays(storage)
    print(f"{given.schedules} schedules, {seconds / 60:.1f} min, exit code {code}")
    print(f"{resident:.0f} MB resident, {(after - before) / seconds:.2%} of a core")
    shown = f"{statistics.median(late):.3f} s late (median), {max(late):.3f} s at most"
    print(f"{len(late)} ticks, decided on {shown}")


if __name__ == "__main__":
    main()
