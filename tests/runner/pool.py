"""Virtual workers that carry out a conductor's legs in random order, as the real ones would."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from jobs.fidelity import PASSES
from jobs.params import space_of
from jobs.spec import Job
from runner.conductor import Conductor
from runner.journal import Event
from runner.legs import Leg
from runner.schedulers.choice import make_scheduler
from runner.schedulers.rungs import Decision
from runner.searchers.choice import make_searcher, planned_trials
from tests.runner.curves import Curve


class Lines(list[Event]):
    """A journal in memory: a copy of each event, as it was when it was written."""

    def append(self, event: Event) -> None:
        super().append(dict(event))


@dataclass
class _Running:
    leg: Leg
    epoch: int
    told: int  # epochs of a saved state that are told again, without training


@dataclass
class Pool:
    """Workers, and the storage on which trials save their states.

    Attributes:
        saved: the epoch of each trial's saved state; it outlives the pool.
        losses: the chance that a worker is lost in the place of reporting an epoch.
        trained: (trial, epoch) of all epochs trained, in order.
    """

    conductor: Conductor
    curves: Sequence[Curve]
    workers: int
    rng: np.random.Generator
    saved: dict[str, int] = field(default_factory=dict)
    losses: float = 0.0
    trained: list[tuple[str, int]] = field(default_factory=list)
    running: list[_Running] = field(default_factory=list)

    def run(self, steps: int = 1_000_000) -> None:
        """Go on until the sweep is finished, at most ``steps`` reports."""
        while not self.conductor.finished and steps > 0:
            self.step()
            steps -= 1
        if self.conductor.finished:
            assert not self.running

    def step(self) -> None:
        """Give the free workers legs, then let one of them, whichever, come to its next report."""
        while len(self.running) < self.workers and (leg := self.conductor.next_leg()):
            state = self.saved.get(
                leg.trial, 0
            )  # ahead of what was heard it is told, behind it trained, again
            self.running.append(_Running(leg, min(state, leg.epoch), state))
        if self.conductor.finished:
            return
        assert self.running, "dead-lock: nothing runs, nothing is to be run, and the sweep is not finished"
        assert len(self.running) == self.conductor.running
        working = self.running[int(self.rng.integers(len(self.running)))]
        if not self._advance(working):
            self.running.remove(working)

    def _advance(self, working: _Running) -> bool:
        trial, curve = working.leg.trial, self.curves[working.leg.number]
        if self.rng.random() < self.losses:
            self.conductor.on_lost(trial, "the training process was killed by signal 9")
            return False
        working.epoch = epoch = working.epoch + 1
        if curve.end() == (epoch, "failed"):
            self.conductor.on_failed(trial, f"ValueError: epoch {epoch}")
            return False
        report = curve.report(epoch)
        if epoch > working.told:
            self.trained.append((trial, epoch))
            if epoch in working.leg.milestones and not report.ended:  # nobody goes on from an end
                self.saved[trial] = epoch
        if self.conductor.on_report(trial, report) is not Decision.CONTINUE:
            return False
        if self.conductor.stopping or trial in self.conductor.departing:
            self.saved[trial] = max(epoch, self.saved.get(trial, 0))
            self.conductor.on_suspended(trial)
            return False
        return True


def start_of(job: Job) -> Event:
    """A process begins to run the sweep."""
    space = space_of(job)
    scheduler = make_scheduler(job, PASSES)
    searcher = make_searcher(job, space, scheduler)
    planned = planned_trials(job.search.trials, space, scheduler, searcher)
    return {"event": "start", "version": 1, "time": 0.0, "versions": {}, "planned": planned}


def make_conductor(job: Job, past: Sequence[Event], log: Lines) -> Conductor:
    """A conductor as ``run_sweep`` makes it."""
    scheduler = make_scheduler(job, PASSES)
    return Conductor(job, make_searcher(job, space_of(job), scheduler), scheduler, log, past)


def fresh_conductor(job: Job, *given: Event) -> Conductor:
    """One of a sweep that begins, with these events in its journal before the first trial's."""
    past = [start_of(job), *given]
    return make_conductor(job, past, Lines(past))
