"""How long from ``recur submit`` to the first trial's first step, on a Ray cluster that runs already.

Run as ``python -m tests.benchmarks.submitting [--repeat 3]``.

The cluster is a real head on this machine with a token; the job's data are read for the first time.  The
first step counts as done when the first epoch's result is in the journal, less what the epoch took.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pyarrow import fs as pafs

from cluster.storage import Storage
from jobs.sample import sample_panel
from runner.journal import read_journal
from tests.cluster.head import Head, running_head
from tests.runner.command import JobWriter


def once(folder: Path, head: Head, number: int) -> tuple[float, float]:
    """Seconds that the command took, and until the first step."""
    name, storage = f"sweep{number}", folder / "sweeps"
    sample_panel(str(folder / name), pafs.LocalFileSystem(), series=1, length=300 + number, shards=2)
    job = JobWriter(folder / name)(folder, name=name, trials=2, epochs=2)
    (folder / "cluster.yaml").write_text(
        f"backend: ray_jobs\naddress: {head.dashboard}\nstorage: {storage}\n"
    )
    storage.mkdir(exist_ok=True)
    begun = time.time()
    command = [
        sys.executable,
        "-m",
        "runner.cli",
        "submit",
        str(job),
        "--cluster",
        str(folder / "cluster.yaml"),
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    told = time.time() - begun
    sweep = Storage.open(str(storage)).sweep(name)
    while True:
        events = read_journal(sweep) if sweep.exists() else []
        first = next((event for event in events if event["event"] == "result"), None)
        if first is not None:
            return told, first["time"] - first["seconds"] - begun
        if any(event["event"] == "finish" for event in events):
            raise SystemExit(f"the sweep came to nothing; see: recur logs {name} --storage {storage}")
        time.sleep(0.2)


def main() -> None:
    """Print the medians."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.submitting", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--repeat", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="recur-submitting-") as folder, running_head("token") as head:
        os.environ |= {"RAY_AUTH_TOKEN": head.token, "XDG_STATE_HOME": folder, "XDG_CACHE_HOME": folder}
        found = []
        for number in range(given.repeat):
            found.append(once(Path(folder), head, number))
            time.sleep(20)  # it has ended
    told, first = (statistics.median(column) for column in zip(*found, strict=True))
    runs = f"{len(found)} runs"
    print(f"recur submit gives back after {told:.1f} s, the first step comes after {first:.1f} s ({runs})")


if __name__ == "__main__":
    main()
