"""How often a challenger is promoted that is no better than the champion, and whether a change is followed.

Run as ``python -m tests.benchmarks.promoting [--seeds 20] [--nights 30] [--alike] [--change]``.

Each seed has a panel of its own, see ``_changing``, of which each night sees the last 24 days; the last 7 are
the test part.  A night trains 2 small networks of random configurations by ``jobs.train``, publishes the best
by validation as a sweep does, and has the project's own contest decide whether it is to be the champion.

Without a change, promotions after the first champion are counted, and how many of them were wrong: both
models forecast 4,000 further hours of the same process, which no night saw, and the challenger's error is not
below the champion's.  A night after the first champion should be so with a frequency of 0.05 at most.  With
``--alike`` all trials have one good configuration, so that hardly a challenger is much better or worse.

With ``--change`` the panel changes its ways on night 15.  A night trains on what lies before its validation
and test parts, so that 10 days go by until a network can have seen the new ways.  Printed are the nights
after the change on which the champion is replaced, and its error on the further hours, which are of the new
ways: at the change, before and after each of these nights, and after the last night.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
import time
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from cluster.schedules import ScheduleFolder
from cluster.storage import Storage, SweepFolder
from jobs.jobfile import parse_job
from jobs.panel import Panel
from jobs.params import resolve
from jobs.parts import parts_of
from jobs.scaling import Scaling
from jobs.spec import Job
from runner.data import open_job_panel
from runner.launch import read_spec
from runner.predict import Best
from runner.process import environment
from runner.quiet import start_keras
from runner.recurring.champion import crown
from runner.recurring.contest import hold_contest
from runner.recurring.pointer import read_champion
from tests.benchmarks._changing import DAY, LEAD, TEST, VALIDATION, Changing
from tests.benchmarks._trials import GOOD, best_of, configuration
from tests.runner.recurring.published import put_sweep, schedule

CHANGE, FUTURE, TRIALS = 15, 4_000, 2
_BEFORE = 10 * DAY  # hours that lead to the future: a panel has a training part
_JOB = f"""
name: nightly
data: {{path: DATA, time: time, series: series, target: target, past: [driver]}}
window: {{lookback: 24, horizon: {LEAD}}}
train: {{batch_size: 64}}
search: {{trials: 1}}
"""


@dataclass(frozen=True)
class Promotion:
    """A challenger that took the champion's place on a night, and both errors on the future."""

    night: int
    challenger: float
    champion: float

    @property
    def wrong(self) -> bool:
        """Whether it should not have."""
        return not self.challenger < self.champion


@dataclass
class Nights:
    """The nights of one seed.

    Attributes:
        panel: of the data.
        data: its shards.
        storage: of sweeps and the schedule.
        alike: whether all trials have one configuration.
        promotions: after the first champion.
        first: the night that had that one.
    """

    panel: Changing
    data: Path
    storage: Storage
    alike: bool = False
    promotions: list[Promotion] = field(default_factory=list)
    first: int = 0

    def __post_init__(self) -> None:
        """Begin with no champion."""
        self._folder: ScheduleFolder = schedule(self.storage)
        begin, end = (self.panel.end(self.panel.nights) + hours for hours in (-_BEFORE, FUTURE))
        where = f'[[time, ">=", "{self.panel.moment(begin)}"], [time, "<", "{self.panel.moment(end)}"]]'
        self._later = self._job(where, f"data.split.test={FUTURE}", "window.evaluation_stride=4")

    def _job(self, where: str, *overrides: str) -> Job:
        parts = (f"data.split.validation={VALIDATION}", f"data.split.test={TEST}")
        text = _JOB.replace("DATA", str(self.data))
        return parse_job(text, source="job.yaml", overrides=(f"data.where={where}", *parts, *overrides))

    def spend(self, night: int) -> None:
        """Train, publish, compare and perhaps promote, as a run of a schedule does."""
        challenger, job, panel = self._train(night)
        before = read_champion(self._folder)
        reigning = self.storage.sweep(before.sweep) if before else None
        contest = hold_contest(job, panel, challenger, reigning)
        if not contest.promoted:
            return
        crown(self._folder, challenger, job, scores=contest.in_service(), why=contest.reason, by="benchmark")
        if reigning is None:
            self.first = night
        else:
            self.promotions.append(Promotion(night, self.future(challenger), self.future(reigning)))

    def _train(self, night: int) -> tuple[SweepFolder, Job, Panel]:
        """The night's sweep, whose best is published."""
        rng, where = np.random.default_rng([self.panel.seed, night]), self.panel.where(night)
        jobs = [self._job(where, *(GOOD if self.alike else configuration(rng))) for _ in range(TRIALS)]
        panel = open_job_panel(jobs[0])
        job, model = best_of(jobs, panel, rng)
        return put_sweep(self.storage, f"night-{night:03d}", job, model, panel), job, panel

    def now(self) -> float:
        """The error of the model in service on the hours that no night saw; NaN before there is one."""
        found = read_champion(self._folder)
        return self.future(self.storage.sweep(found.sweep)) if found else math.nan

    def future(self, sweep: SweepFolder) -> float:
        """A published model's error on the hours that no night saw."""
        from jobs.forecast import Ground, score_at, scored_origins

        panel = open_job_panel(self._later)
        parts, served = parts_of(self._later, panel), Best.read(sweep, read_spec(sweep)).serve(panel)
        window = resolve(self._later, {}).window
        ground = Ground.of(panel, parts, Scaling.of(window), panel.season())
        return score_at(scored_origins(parts, window), {"it": served}, ground)["it"].means()["mse"]


@dataclass(frozen=True)
class Seed:
    """All nights of a seed.

    Attributes:
        nights: what came of them.
        then, last: the champion's future error at the change, and after the last night.
        seconds: a night.
    """

    nights: Nights
    then: float
    last: float
    seconds: float


def spend_nights(panel: Changing, *, alike: bool) -> Seed:
    """One night after the other."""
    with tempfile.TemporaryDirectory(prefix="promoting-") as folder:
        os.environ["RECUR_CACHE"] = f"{folder}/cache"
        nights = Nights(panel, panel.write(Path(folder) / "data"), Storage.open(f"{folder}/sweeps"), alike)
        began, then = time.perf_counter(), math.nan
        for night in range(1, panel.nights + 1):
            if night == panel.change:
                then = nights.now()
            nights.spend(night)
        return Seed(nights, then, nights.now(), (time.perf_counter() - began) / panel.nights)


def show(found: Seed) -> None:
    """A line for a seed without a change."""
    nights = found.nights
    taken = ", ".join(
        f"{each.night} ({100 * (each.challenger / each.champion - 1):+.1f} %)" for each in nights.promotions
    )
    counts = f"{len(nights.promotions):10}{sum(each.wrong for each in nights.promotions):7}"
    print(f"{nights.panel.seed:4}{nights.first:7}{counts}{found.seconds:9.2f}  {taken}", flush=True)


def show_change(found: Seed) -> None:
    """A line for a seed with a change."""
    nights = ", ".join(
        f"{each.night - CHANGE + 1} ({each.champion:.3f} to {each.challenger:.3f})"
        for each in found.nights.promotions
        if each.night >= CHANGE
    )
    errors = f"{found.then:13.3f}{found.last:13.3f}{found.seconds:9.2f}"
    print(f"{found.nights.panel.seed:4}{errors}  {nights or 'never'}", flush=True)


def _start() -> None:
    """Import Keras once; models are run as they are: each is asked too little for its tracing to pay."""
    os.environ.update(environment("tensorflow", 1))
    start_keras("tensorflow")
    from jobs import checkpoint

    load = checkpoint.load_model

    @lru_cache(maxsize=4)  # a champion is asked again every night
    def loaded(data: bytes) -> Any:
        model = load(data)
        model.run_eagerly = True
        return model

    checkpoint.load_model = loaded


def main() -> None:
    """Print a line for each seed, and the sums."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name, default in (("seeds", 20), ("first", 0), ("nights", 30)):
        parser.add_argument(f"--{name}", type=int, default=default)
    for name in ("alike", "change"):
        parser.add_argument(f"--{name}", action="store_true")
    asked = parser.parse_args()
    _start()
    if asked.change:
        print("seed  at change  after last  s/night  replaced on night after the change (future mse)")
    else:
        print("seed  first  promoted  wrong  s/night  on night (future error against the champion's)")
    every: list[Nights] = []
    for seed in range(asked.first, asked.first + asked.seeds):
        panel = Changing(asked.nights, CHANGE if asked.change else None, FUTURE, seed)
        found = spend_nights(panel, alike=asked.alike)
        every.append(found.nights)
        show_change(found) if asked.change else show(found)
    if not asked.change:
        say_sums(every)


def say_sums(every: list[Nights]) -> None:
    """Of all seeds."""
    nights = sum(each.panel.nights - each.first for each in every if each.first)
    promotions = [one for each in every for one in each.promotions]
    wrong = sum(each.wrong for each in promotions)
    print(
        f"{nights} nights after the first champion: {len(promotions)} promotions "
        f"({len(promotions) / nights:.3f} a night), {wrong} of them wrong ({wrong / nights:.4f} a night)"
    )


if __name__ == "__main__":
    main()
