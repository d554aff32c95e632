"""A server that is killed (``kill -9``) while its runs train and while they promote, and started again.

Run as ``python -m tests.benchmarks.killed_server [--kills 20] [--seed 0]``.

A schedule that is due every minute runs a small sweep each time, whatever its data.  The kills fall in turn
into training and into what follows it (the contest, the promotion, the records); every second of each kind
hits the process that carries out the run too, with all that it has started.  A new server starts 2 s later.
Checked: each run that was hit comes to its end, no tick is begun twice, and a reader who looks all the time
finds no champion or a whole one, with a whole model.  A line is printed for each kill, and the sums.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pyarrow import fs as pafs

from cluster.errors import ClusterError
from cluster.processes import descendants
from cluster.scheduledocs import Definition, Run
from cluster.schedules import ScheduleFolder
from cluster.storage import Storage
from jobs.sample import sample_panel
from runner.launch import read_results
from runner.recurring.pointer import read_champion

_PATIENCE = 400.0
_JOB = """
name: night
data: {{path: {data}, time: time, target: target, past: [driver]}}
window: {{lookback: 24, horizon: 6}}
model: {{cell: gru, units: {{int: {{min: 4, max: 16, step: 4}}}}}}
train: {{max_epochs: 3, learning_rate: 0.01}}
search: {{trials: 2}}
schedule: {{unchanged: run, keep: 4}}
promote: {{margin: 0, confidence: 0.5}}
"""


@dataclass
class Reader(threading.Thread):
    """Looks at the champion all the time, and checks its model whenever it is another."""

    folder: ScheduleFolder
    looks: int = 0
    torn: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        while not self.over.wait(0.01):
            self.looks += 1
            try:
                champion = read_champion(self.folder)
                if champion is not None and champion.sweep not in self.seen:
                    champion.check(self.folder.storage)
                    self.seen.append(champion.sweep)
            except ClusterError as error:
                self.torn.append(str(error))


@dataclass
class Trial:
    """Servers one after the other, and the schedule that they look after."""

    root: Path
    chance: random.Random
    folder: ScheduleFolder = field(init=False)

    def __post_init__(self) -> None:
        sample_panel(str(self.root / "data"), pafs.LocalFileSystem(), length=600)
        self.folder = ScheduleFolder.of(Storage.open(str(self.root / "sweeps")), "night")
        self.folder.write(self.folder.JOB, _JOB.format(data=self.root / "data").encode())
        moment = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=2)
        self.folder.define(Definition("* * * * *", "UTC", moment, moment, "me"))

    def serve(self) -> subprocess.Popen[bytes]:
        storage = self.folder.storage.uri
        words = [sys.executable, "-m", "runner.cli", "schedule", "serve", "--storage", storage, "--port", "0"]
        with (self.root / "said.txt").open("ab") as said:
            return subprocess.Popen(words, stdout=said, stderr=said, start_new_session=True)

    def run_that_is(self, *, training: bool) -> Run:
        """The run that goes on, as soon as it trains, or as soon as its sweep is done."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            with suppress(ClusterError):
                state = self.folder.state()
                run = state.run if state else None
                if run is not None and self._trained(run) == ("running" if training else "done"):
                    return run
            time.sleep(0.05)
        raise TimeoutError("no run came so far")

    def _trained(self, run: Run) -> str | None:
        sweep = self.folder.storage.sweep(run.sweep)
        return read_results(sweep).state if sweep.exists() else None

    def kill(self, server: subprocess.Popen[bytes], *, run_too: bool) -> None:
        children = [process.pid for process in descendants(server.pid)] if run_too else []
        for pid in (server.pid, *children):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        server.wait()

    def ended(self, run: Run) -> str:
        """What became of a run, once it has ended."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            for record in self.folder.history()[0]:
                if record.tick == run.tick and record.event in {"finished", "failed"}:
                    return record.event
            time.sleep(0.2)
        return "did not end"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        trial = Trial(Path(root), random.Random(given.seed))  # noqa: S311 - repeatable
        reader = Reader(trial.folder)
        reader.start()
        ends = [strike(trial, number) for number in range(given.kills)]
        reader.over.set()
        reader.join()
        begun = [record.tick for record in trial.folder.history()[0] if record.event == "started"]
    print(
        f"{ends.count('finished')} of {given.kills} runs finished, {len(begun) - len(set(begun))} ticks twice"
    )
    print(
        f"champion: {reader.looks} looks, {len(reader.torn)} torn, {len(reader.seen)} champions, each whole"
    )
    print("\n".join(reader.torn))


def strike(trial: Trial, number: int) -> str:
    """One kill, and what became of the run that it hit."""
    training, run_too = number % 2 == 0, number // 2 % 2 == 0
    began, server = time.monotonic(), trial.serve()
    run = trial.run_that_is(training=training)
    time.sleep(trial.chance.uniform(0, 3.0 if training else 1.5))
    trial.kill(server, run_too=run_too)
    time.sleep(2)
    server = trial.serve()
    end = trial.ended(run)
    server.terminate()
    server.wait(90)
    what = f"{'training' if training else 'after it'}, {'server and run' if run_too else 'server alone'}"
    print(f"{number:3} {run.sweep} {what}: {end}, {time.monotonic() - began:.0f} s", flush=True)
    return end


if __name__ == "__main__":
    main()
