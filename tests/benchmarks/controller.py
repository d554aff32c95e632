"""Does one driver keep up with many actors that report often?

Run as ``python -m tests.benchmarks.controller [--actors 40] [--every 0.2] [--epochs 150] [--trials 280]``.

All is real but for the training: an epoch sleeps.  ``share`` is of the results that so many actors could have
reported, had nothing but their sleep taken time, those that came, from when all of them were at work to when
the last trial began.  The actors are processes of this machine, and share its cores with the driver.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

from tests.benchmarks._processes import adopt_orphans, timed
from tests.benchmarks.trivial_trials import QUIET, Load, events_of, recur_command


def share(folder: Path, load: Load, every: float) -> tuple[float, float]:
    """The share that came, and the seconds that it is counted over."""
    events = events_of(folder)
    results = [(event["trial"], event["time"]) for event in events if event["event"] == "result"]
    first: dict[str, float] = {}
    for trial, at in results:
        first.setdefault(trial, at)
    ends = {event["trial"]: event["time"] for event in events if event["event"] == "end"}
    changes = sorted([(at, 1) for at in first.values()] + [(ends[trial], -1) for trial in first])
    running, begin = 0, 0.0
    for at, change in changes:
        running += change
        if running >= load.workers - 1:  # all actors are up; one may be between two trials
            begin = at
            break
    end = max(first.values())  # from now on some have nothing to do
    came = sum(begin < at <= end for _, at in results)
    return came / ((end - begin) / every * load.workers), end - begin


def main() -> None:
    """Run it, and print the share."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.controller", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--actors", type=int, default=40)
    parser.add_argument("--every", type=float, default=0.2, help="seconds an epoch takes: %(default)s")
    parser.add_argument("--epochs", type=int, default=150, help="that a trial has: %(default)s")
    parser.add_argument("--trials", type=int, default=280)
    parser.add_argument("--repeat", type=int, default=1)
    given = parser.parse_args()
    adopt_orphans()
    load = Load(given.trials, given.epochs, given.actors)
    env = os.environ | QUIET | {"RECUR_TRIVIAL_PAUSE": str(given.every)}
    found = []
    for _ in range(given.repeat):
        with tempfile.TemporaryDirectory(prefix="recur-controller-") as scratch:
            folder = Path(scratch)
            with (folder / "out.txt").open("w") as out, (folder / "err.txt").open("w") as err:
                usage = timed(recur_command(load, folder, "none"), env=env, stdout=out, stderr=err)
            if usage.returncode:
                sys.exit((folder / "err.txt").read_text()[-3000:])
            found.append((*share(folder, load, given.every), usage.seconds))
    shares, counted, whole = (statistics.median(column) for column in zip(*found, strict=True))
    print(
        f"{given.actors} actors, a result every {given.every} s each, {given.trials} trials: {shares:.2f} of "
        f"the ideal over {counted:.0f} s ({whole:.0f} s in all, {os.cpu_count()} cores)"
    )


if __name__ == "__main__":
    main()
