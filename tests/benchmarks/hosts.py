"""A sweep over three hosts, of which one dies, one is cut off for a minute, and all are slow.

Run as root: ``python -m tests.benchmarks.hosts [--trials 60] [--cut 60] [--delay 0.05] [--loss 0.02]``.

The hosts are network namespaces of this machine with a real Ray cluster; trials train for real.  Host 2 is
killed and host 3 cut off when a quarter of the results are there; host 3 is healed after ``--cut`` seconds.
Prints what was lost and repeated, how long Ray took to count the hosts as dead, and how long after the faults
nothing came.  Nothing is asserted.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

from pyarrow import fs as pafs

from cluster.storage import Storage
from jobs.sample import sample_panel
from runner.journal import Event, read_journal
from tests.cluster.hosts import Hosts, opened
from tests.runner.command import JobWriter


def events(folder: Path) -> list[Event]:
    """The journal so far."""
    sweep = Storage.open(str(folder / "sweeps")).sweep("small")
    return read_journal(sweep) if sweep.exists() else []


def count(folder: Path, kind: str) -> int:
    """How many events there are of a kind."""
    return sum(event["event"] == kind for event in events(folder))


def nodes(hosts: Hosts, wanted: int, patience: float = 120) -> float:
    """Seconds until the cluster has so many nodes."""
    begun = time.monotonic()
    while hosts.alive(1) != wanted:
        if time.monotonic() - begun > patience:
            sys.exit(f"the cluster has not come to {wanted} nodes:\n{hosts.said()}")
    return time.monotonic() - begun


def run(given: argparse.Namespace, folder: Path, hosts: Hosts) -> None:
    """Run it, and print what was found."""
    sample_panel(str(folder / "data"), pafs.LocalFileSystem(), series=1, length=300, shards=2)
    job = JobWriter(folder / "data")(folder, trials=given.trials, epochs=given.epochs, scheduler="none")
    for host in (1, 2, 3):
        hosts.node(host, cpus=1)
    nodes(hosts, 3)
    for host in (1, 2, 3):
        hosts.slow(host, given.delay / 2, given.loss / 2)  # a packet leaves one and reaches another
    options = [
        "--set",
        "train.early_stopping=null",
        "--set",
        "model.units={int: {min: 4, max: 12}}",  # a space of more than 60
        "--storage",
        folder / "sweeps",
        "--address",
        hosts.address(),
    ]
    begun = time.time()
    driver = hosts.run(1, sys.executable, "-m", "runner.cli", "run", job, *options, stdout=subprocess.DEVNULL)
    whole = given.trials * given.epochs
    while count(folder, "result") < whole / 4:
        time.sleep(0.5)
    fault = time.time()
    hosts.kill(2)
    hosts.cut(3)
    noticed = nodes(hosts, 1)
    time.sleep(max(0.0, fault + given.cut - time.time()))
    hosts.heal(3)
    back = nodes(hosts, 2)
    code, ended = driver.wait(), time.time()
    told = Counter((event["trial"], event["epoch"]) for event in events(folder) if event["event"] == "result")
    times = sorted(event["time"] for event in events(folder) if event["event"] == "result")
    gap = max(b - a for a, b in pairwise(times))
    print(
        f"exit code {code}, {ended - begun:.0f} s; {len(told)} of {whole} results, "
        f"{sum(n > 1 for n in told.values())} told twice; {count(folder, 'lost')} legs lost, "
        f"{count(folder, 'end')} trials ended\n"
        f"both hosts counted as dead after {noticed:.0f} s, the one that was cut off joined again {back:.0f} "
        f"s after it was healed; longest time without a result {gap:.1f} s"
    )


def main() -> None:
    """Read the options."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.hosts", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--cut", type=float, default=60.0, help="seconds: %(default)s")
    parser.add_argument("--delay", type=float, default=0.05, help="seconds for a packet: %(default)s")
    parser.add_argument("--loss", type=float, default=0.02, help="share of the packets: %(default)s")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="recur-hosts-") as folder, opened(3) as hosts:
        run(given, Path(folder), hosts)


if __name__ == "__main__":
    main()
