"""Sweeps on real training, killed by ``kill -9`` at random moments and run again.

Run as ``python -m tests.benchmarks.killing [--sweeps 40] [--kills 3] [--seed 0] [--length 4000]``.

What is killed is the driver, a training process or the raylet, drawn with the moment by the seed; the
schedulers take turns.  After each kill the same command runs again until the sweep is finished.  Checked:
every result that was in the journal after a run still is (lost), no trial was trained after it had ended and
no epoch was told twice (repeated), every trial that was planned has ended (finished), the published best is
the best of the journal (best).  A line is printed for each sweep, and the sums.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pyarrow import fs as pafs

from cluster.processes import command, descendants
from jobs.sample import sample_panel
from tests.runner.command import journal

SCHEDULERS = ("asha", "hyperband", "promotion", "none", "median", "pbt")
TARGETS = {"driver": "", "worker": "runner.worker", "raylet": "raylet/raylet"}
_EARLIEST, _LATEST, _PATIENCE = 3.0, 14.0, 600.0  # seconds
_JOB = """
name: killed
data: {{path: {data}, time: time, series: series, target: target}}
window: {{lookback: 24, horizon: 6}}
model: {{cell: {{choice: [simple_rnn, gru]}}, units: {{int: {{min: 8, max: 32, step: 8}}}}}}
train: {{max_epochs: 12, learning_rate: {{float: {{min: 0.0001, max: 0.03, sampling: log}}}}}}
search: {{{search}, seed: {seed}}}
"""


@dataclass
class Sweep:
    """One sweep, and what was seen of it."""

    folder: Path
    rng: np.random.Generator
    log: list[str] = field(default_factory=list)
    known: set[tuple[str, int, float | None]] = field(default_factory=set)
    lost: int = 0

    @property
    def sweep(self) -> Path:
        """Where it lies on storage."""
        return self.folder / "sweeps" / "killed"

    def run(self, kills: list[str]) -> bool:
        """Run the command until it ends by itself, with kills on the way; whether it went well in the end.

        A killed training process is replaced and its run goes on: the next kill falls into the same run.
        """
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RECUR_")}
        words = [sys.executable, "-m", "runner.cli", "run", "job.yaml"]
        left, hit = kills, True
        while hit:
            with (self.folder / "said.txt").open("ab") as said:
                process = subprocess.Popen(
                    words, cwd=self.folder, env=environment, stdout=said, stderr=said, start_new_session=True
                )
                before = len(left)
                while left and self._kill(process, left[0]):
                    left = left[1:]
                process.wait(_PATIENCE)
            self._look()
            if process.returncode == 0:
                return True
            hit = len(left) < before
        return False

    def _kill(self, process: subprocess.Popen[bytes], kill: str) -> bool:
        """At a moment of the run's; False when it is over before.  A driver's processes are waited for."""
        moment = self.rng.uniform(_EARLIEST, _LATEST)
        with suppress(subprocess.TimeoutExpired):
            process.wait(moment)
        family, found = [], list[int]()
        while not found and process.poll() is None:
            time.sleep(0.05)
            family = [child.pid for child in descendants(process.pid)]
            found = [p for p in family if TARGETS[kill] in command(p)[:200]]
            found = [process.pid] if kill == "driver" else found
        if process.poll() is not None:
            return False
        os.kill(found[int(self.rng.integers(len(found)))], signal.SIGKILL)
        self.log.append(f"{kill} at {moment:.1f} s")
        if kill == "driver":
            process.wait()
            deadline = time.monotonic() + 60
            while any(Path(f"/proc/{pid}").exists() for pid in family) and time.monotonic() < deadline:
                time.sleep(0.1)
        return True

    def _look(self) -> None:
        now = {(e["trial"], e["epoch"], e["score"]) for e in self.events() if e["event"] == "result"}
        self.lost += len(self.known - now)
        self.known |= now

    def events(self) -> list[dict[str, Any]]:
        """The journal as it is."""
        return journal(self.sweep) if self.sweep.exists() else []

    def repeated(self) -> int:
        """Results told twice, and legs of trials that had ended."""
        told: set[tuple[str, int]] = set()
        ended: set[str] = set()
        found = 0
        for event in self.events():
            if event["event"] == "result":
                found += (event["trial"], event["epoch"]) in told
                told.add((event["trial"], event["epoch"]))
            found += event["event"] == "leg" and event["trial"] in ended
            if event["event"] == "end":
                ended.add(event["trial"])
        return found

    def best(self) -> bool:
        """Whether what is published is the best of the journal."""
        scores = [e["score"] for e in self.events() if e["event"] == "result" and e["score"] is not None]
        published = json.loads((self.sweep / "best" / "metrics.json").read_text())
        return bool(published["score"] == min(scores))


def one(number: int, seed: int, kills: int, data: Path, place: Path) -> tuple[Sweep, bool]:
    """Run a sweep with its kills to its end; whether it came there."""
    rng = np.random.default_rng([seed, number])
    scheduler = SCHEDULERS[number % len(SCHEDULERS)]
    search = {
        "promotion": "scheduler: asha, promotion: true, trials: 24",
        "hyperband": "scheduler: hyperband",
    }
    asked = search.get(scheduler, f"scheduler: {scheduler}, trials: {24 if scheduler == 'asha' else 10}")
    (place / "job.yaml").write_text(_JOB.format(data=data, search=asked, seed=number))
    sweep = Sweep(place, rng, [scheduler])
    return sweep, sweep.run([str(kill) for kill in rng.choice(list(TARGETS), kills)])


def main() -> None:
    """Print a line for each sweep, and the sums."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name, default in (("sweeps", 40), ("kills", 3), ("seed", 0), ("first", 0), ("length", 4_000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    sums = np.zeros(4, int)
    with tempfile.TemporaryDirectory(prefix="kill-") as folder:
        data = Path(folder) / "data"
        sample_panel(str(data), pafs.LocalFileSystem(), series=3, length=asked.length, shards=2)
        for number in range(asked.first, asked.first + asked.sweeps):
            place = Path(folder) / str(number)
            place.mkdir()
            began = time.monotonic()
            sweep, finished = one(number, asked.seed, asked.kills, data, place)
            found = np.array([sweep.lost, sweep.repeated(), finished, finished and sweep.best()])
            sums += found
            print(
                f"{number} {time.monotonic() - began:.0f} s, {', '.join(sweep.log)}",
                "| lost, repeated, finished, best:",
                *found,
                flush=True,
            )
    print(f"{asked.sweeps} sweeps | lost, repeated, finished, best:", *sums)


if __name__ == "__main__":
    main()
