"""How much sooner a scheduled sweep is as good as one that knows of no night before, by the real command.

Run as ``python -m tests.benchmarks.nights [--nights 30] [--change 15] [--trials 6] [--seed 0]``.

A schedule's job reads the last 24 days of a panel that grows by a day a night, see ``_changing``, and changes
its ways on a night.  Each night ``recur schedule run --as-of`` runs its sweep, which begins with what the
champion's and the latest sweeps have found and with their weights (``train.warm_weights``).  Beside it, on
every second night before it, ``recur run`` trains the same job on the same rows, and knows of nothing: it is
cold.  Both have one trial at a time.

Both are timed to the night's target: 1.02 times the best validation score of the cold sweep.  That score
itself is the luckiest of many, which another sweep that is as good need not reach.  Counted to the first
result that is no worse are the seconds from when the first epoch began, those from the first event of the
journal (Ray and Keras start in between, which takes both as long), and the epochs of all trials, which other
load on the machine does not change.  Where there is no such result, that is ``never``, and infinite in the
medians.

The median of the seconds from the first epoch on should be half of the cold sweeps' at most.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tests.benchmarks._changing import LEAD, TEST, VALIDATION, WINDOW, Changing
from tests.runner.command import Recur, journal

SLACK = 1.02
_ONE = ("--workers", "1")
_JOB = """
name: night
data:
  path: {data}
  time: time
  series: series
  target: target
  past: [driver]
  where: [[time, "<", "{{now}}"], [time, ">=", "{{last {window} days}}"]]
  split: {{validation: {validation}, test: {test}}}
window: {{lookback: 24, horizon: {horizon}}}
model:
  cell: gru
  units: {{choice: [8, 16]}}
train:
  max_epochs: 30
  learning_rate: {{float: {{min: 1.0e-4, max: 2.0e-2, sampling: log}}}}
  warm_weights: true
search: {{trials: {trials}, scheduler: asha, seed: {seed}}}
"""


class Until(NamedTuple):
    """What it took to reach a score: seconds from the first epoch and from the first event on, epochs."""

    training: float
    start: float
    epochs: float


@dataclass(frozen=True)
class Sweep:
    """One sweep.

    Attributes:
        seconds: that its command took.
        results: seconds since the first event, and score, in the order in which they came.
        first: seconds from the first event to the beginning of the first epoch.
    """

    seconds: float
    results: list[tuple[float, float]]
    first: float

    @classmethod
    def of(cls, events: list[dict[str, Any]], seconds: float) -> Sweep:
        """From its journal."""
        told, start = [event for event in events if event["event"] == "result"], events[0]["time"]
        lost = math.inf  # where a loss is not finite
        found = [(each["time"] - start, lost if each["score"] is None else each["score"]) for each in told]
        return cls(seconds, found, min(each["time"] - each["seconds"] for each in told) - start)

    def best(self) -> float:
        """Its score."""
        return min(score for _, score in self.results)

    def until(self, target: float) -> Until:
        """What it took to come to a result that is no worse."""
        for number, (at, score) in enumerate(self.results, start=1):
            if score <= target:
                return Until(at - self.first, at, number)
        return Until(math.inf, math.inf, math.inf)


@dataclass(frozen=True)
class Nights:
    """The command, and the panel that it is run on."""

    recur: Recur
    panel: Changing

    def begin(self, trials: int, seed: int) -> None:
        """Write the job and the schedule."""
        sizes = {"window": WINDOW, "validation": VALIDATION, "test": TEST, "horizon": LEAD}
        data = self.panel.write(self.recur.folder / "data")
        (self.recur.folder / "job.yaml").write_text(_JOB.format(data=data, trials=trials, seed=seed, **sizes))
        self.recur("schedule", "add", "night", "job.yaml", "--cron", "0 2 * * *")

    def warm(self, night: int) -> tuple[Sweep, dict[str, Any]]:
        """The schedule's run, and what came of it."""
        began = time.monotonic()
        found = self.recur.json("schedule", "run", "night", *_ONE, "--as-of", self._moment(night))
        return self._read(found["sweep"], began), found

    def cold(self, night: int) -> Sweep:
        """The same job by itself."""
        began, name = time.monotonic(), f"cold-{night:03d}"
        changes = (f"name={name}", f"data.as_of={self._moment(night)}", "train.warm_weights=false")
        self.recur("run", "job.yaml", *_ONE, *(word for each in changes for word in ("--set", each)))
        return self._read(name, began)

    def _moment(self, night: int) -> str:
        return self.panel.moment(self.panel.end(night))

    def _read(self, name: str, began: float) -> Sweep:
        seconds = time.monotonic() - began
        return Sweep.of(journal(self.recur.storage / name), seconds)


def show(night: int, warm: Sweep, cold: Sweep, found: dict[str, Any]) -> tuple[Until, Until]:
    """A line for a night; what it took to its target, warm and cold."""
    target = SLACK * cold.best()
    both = warm.until(target), cold.until(target)
    times = "".join(
        f"{sweep.seconds:8.1f}{said(each.training):>8}{said(each.start):>8}{said(each.epochs, 0):>7}"
        for sweep, each in zip((warm, cold), both, strict=True)
    )
    scores = f"{warm.best():8.4f}{cold.best():8.4f}"
    print(f"{night:5}{times}{scores}  {found['event']}: {found['reason']}", flush=True)
    return both


def said(number: float, digits: int = 1) -> str:
    """For people."""
    return "never" if math.isinf(number) else f"{number:.{digits}f}"


def say_sums(what: str, rows: list[tuple[Until, Until]]) -> None:
    """Medians of some nights."""
    if not rows:
        return
    print(f"\n{what}, {len(rows)} nights; medians warm and cold, ratio")
    named = {"training": "s from the first epoch", "start": "s from the first event", "epochs": "epochs"}
    for name, unit in named.items():
        warm, cold = (statistics.median(getattr(row[side], name) for row in rows) for side in (0, 1))
        print(f"  {said(warm):>7}{said(cold):>7}{warm / cold:7.2f}  {unit}")


def main() -> None:
    """Print a line for each night, and the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name, default in (("nights", 30), ("change", 15), ("trials", 6), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nights-") as folder:
        os.environ |= {"XDG_STATE_HOME": f"{folder}/state", "XDG_CACHE_HOME": f"{folder}/cache"}
        nights = Nights(Recur(Path(folder)), Changing(asked.nights, asked.change, seed=asked.seed))
        nights.begin(asked.trials, asked.seed)
        print(f"{'':5}{'warm':>8}{'to the target':>23}{'cold':>8}{'to the target':>23}{'best score':>16}")
        titles = 2 * f"{'s':>8}{'s':>8}{'+ start':>8}{'epochs':>7}"
        print(f"night{titles}{'warm':>8}{'cold':>8}  decision")
        rows = list[tuple[Until, Until]]()
        for night in range(1, asked.nights + 1):
            cold = nights.cold(night) if night % 2 else None
            warm, found = nights.warm(night)
            rows.append(show(night, warm, cold or nights.cold(night), found))
    say_sums("after the first", rows[1:])
    say_sums("before the change", rows[1 : asked.change - 1])
    say_sums("from the change on", rows[max(1, asked.change - 1) :])


if __name__ == "__main__":
    main()
