"""One sweep's logic, apart from where it runs: which leg comes next and what a report means.

A *leg* is a stretch of one trial's training between two decisions of the scheduler.  Every event is journaled
before it is acted on and then applied by the same code that replays a journal (``runner.state``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from statistics import median
from typing import Protocol

from jobs.cudnn import off_cudnn
from jobs.outlook import alike
from jobs.params import resolve, space_of
from jobs.report import EpochReport
from jobs.spec import Job
from runner.journal import Event
from runner.legs import Leg
from runner.mutation import mutated
from runner.results import Results
from runner.schedulers.rule import Scheduler
from runner.schedulers.rungs import Decision
from runner.searchers.rule import Searcher
from runner.state import State
from runner.trial import ENDED, Trial

_MAX_LOSSES = 3  # times a trial may lose its worker, without a result between, before it counts as failed
_HEARTBEATS, _LEAST_HEARTBEAT = 10, 120.0  # epochs of a trial, and seconds, that it may be silent at least


class Log(Protocol):
    """Where events are written."""

    def append(self, event: Event) -> None:
        """Write one event before it is acted on."""


def _nothing(donor: str, heir: str) -> None:
    del donor, heir


class Conductor:
    """Decides, journals and remembers; whoever runs the legs calls it with what happens."""

    def __init__(
        self,
        job: Job,
        searcher: Searcher,
        scheduler: Scheduler,
        log: Log,
        past: Sequence[Event] = (),
        inherit: Callable[[str, str], None] = _nothing,
    ) -> None:
        """Stand where the events in ``past`` end; new ones go to ``log``.

        ``inherit`` gives a trial (the second) the saved state of another (the first).
        """
        self._job, self._searcher, self._scheduler, self._log = job, searcher, scheduler, log
        self._inherit = inherit
        self._space = space_of(job)
        self.state = State(searcher, scheduler)
        self.stopping = False  # everything leaves at once
        self.draining = False  # everything leaves at its next rung
        self.exhausted = False  # every trial has ended, and the searcher knows of no other
        self.departing: set[str] = set()  # trials that have come to one and are to save and leave
        self.widest = 0  # cores of the cluster's largest node, as soon as it is known
        for event in past:
            self.state.apply(event)
        for heir, donor in list(self.state.copies.items()):
            self._hand_over(donor, heir)
        self._alike = alike(self._space, self.planned)
        self.state.take_up()
        self._execute()

    @property
    def results(self) -> Results:
        """What readers of the journal see."""
        return self.state.results

    @property
    def planned(self) -> int:
        """How many trials the sweep will have."""
        return self.results.planned or 0

    @property
    def running(self) -> int:
        """How many legs are being run."""
        return len(self.state.running)

    @property
    def runnable(self) -> int:
        """How many legs could be run at the same time, as far as is known before they are asked for."""
        if self.stopping or self.draining or self.hopeless:
            return self.running
        unborn = 0 if self.exhausted else max(0, self.planned - len(self.results.trials))
        return self.running + len(self.state.queue) + unborn

    @property
    def finished(self) -> bool:
        """Whether nothing runs and nothing is left to run."""
        return not self.running and (self.stopping or self.draining or self.complete or self.hopeless)

    @property
    def complete(self) -> bool:
        """Whether every planned trial has ended, or all that there are."""
        return self.exhausted or self.results.ended >= self.planned

    @property
    def hopeless(self) -> bool:
        """Whether the first trials to end have all failed in the same way, so that no other is begun."""
        return self.results.hopeless and not self.complete

    def next_leg(self) -> Leg | None:
        """The leg to run now, promotions first; None when there is none at the moment."""
        if self.stopping or self.draining or self.hopeless:
            return None
        trial = self._next_trial()
        if trial is None:
            return None
        self._write({"event": "leg", "trial": trial.id, "epoch": trial.epochs_trained})
        return self._leg(trial)

    def _next_trial(self) -> Trial | None:
        results = self.results
        if not self.state.queue:
            number = self._scheduler.promotable()
            if number is not None:
                return results.trials[results.numbered[number]]
            if len(results.trials) < self.planned:
                self._ask()
        return results.trials[self.state.queue[0]] if self.state.queue else None

    def on_report(self, trial_id: str, report: EpochReport) -> Decision:
        """Journal an epoch's report, then decide what becomes of the trial."""
        trial, rung = self.results.trials[trial_id], False
        if report.epoch > trial.epochs_trained:
            rung = report.epoch in self._scheduler.milestones(trial.number)
            self._write({"event": "result", "trial": trial_id, **asdict(report), "rung": rung})
        elif report.ended:  # trained again after a crash, to the same end
            self.state.verdicts[trial_id] = report.ended
        waits = trial_id in self.state.waiting or trial_id in self.state.heirs
        if waits:
            self._write({"event": "pause", "trial": trial_id})
        self._execute()
        if trial.state in ENDED:
            return Decision.STOP
        if waits:
            return Decision.PAUSE
        if rung and self.draining:
            self.departing.add(trial_id)
        return Decision.CONTINUE

    def on_failed(self, trial_id: str, error: str) -> None:
        """The trial's own work failed; it is not tried again."""
        self._write({"event": "end", "trial": trial_id, "state": "failed", "error": error})
        self._execute()

    def on_lost(self, trial_id: str, error: str, *, timeout: bool = False, node: bool = False) -> None:
        """The trial's worker is gone, or was killed because the trial hung or, by ``timeout``, took too long.

        It runs again from its last saved state, a few times at most, unless it went with its whole ``node``,
        which is no fault of the trial's.
        """
        if trial_id not in self.state.running:
            return  # it had been decided on already
        self.departing.discard(trial_id)
        event: Event = {"event": "lost", "trial": trial_id, "error": error, "timeout": timeout}
        self._write(event | ({"node": True} if node else {}))
        trial = self.results.trials[trial_id]
        if max(trial.stuck, trial.late) >= _MAX_LOSSES:
            self.on_failed(trial_id, f"lost its worker {_MAX_LOSSES} times, at last by this: {error}")

    def on_exhausted(self, trial_id: str, error: str, *, killed: bool = False) -> None:
        """The trial needs more memory than its share; it has another try, with twice as much.

        One whose process was ``killed`` for that may have been in another's way: it is lost where no more
        can be had, and has not failed yet.
        """
        if trial_id not in self.state.running:
            return  # it had been decided on already
        self.departing.discard(trial_id)
        trial, own = self.results.trials[trial_id], self._job.resources
        event: Event = {"event": "grow", "trial": trial_id, "error": error}
        if own.gpu and trial.gpu is None and own.gpu < 1 and not killed:
            self._write(event | {"gpu": min(1.0, 2 * own.gpu)})
        elif not own.gpu and trial.cpu is None and own.cpu < self.widest:
            self._write(event | {"cpu": min(self.widest, 2 * own.cpu)})
        elif killed:
            self.on_lost(trial_id, error)
        else:
            had = f"{trial.gpu or own.gpu:g} of a card has" if own.gpu else "there is"
            raised = ", or raise resources.gpu" if own.gpu else ""
            self.on_failed(
                trial_id,
                f"needs more {'GPU ' if own.gpu else ''}memory than {had}; lower train.batch_size or the "
                f"network{raised}: {error}",
            )

    def on_suspended(self, trial_id: str) -> None:
        """The trial left its worker before a decision, with or without having saved its state."""
        self.departing.discard(trial_id)
        self._write({"event": "pause", "trial": trial_id})

    def stop(self) -> None:
        """Start nothing new; what runs saves and leaves."""
        self.stopping = True

    def drain(self) -> None:
        """Start nothing new; what runs goes on to its next rung."""
        self.draining = True

    def retry(self) -> None:
        """Have every failed trial begin once more."""
        for trial in self.results.failures():
            self._write({"event": "retry", "trial": trial.id})

    def _ask(self) -> None:
        number, given = len(self.results.trials), self.state.given
        values = given[number]["values"] if number < len(given) else self._searcher.ask(number)
        if values is None:
            self.exhausted = self.results.ended == number
            return
        event: Event = {"event": "trial", "trial": f"{number:05d}", "number": number, "values": values}
        if self._job.resources.gpu:
            event["off_cudnn"] = off_cudnn(resolve(self._job, values).network, self._job.backend)
        self._write(event)

    def _leg(self, trial: Trial) -> Leg:
        rungs, best = self._scheduler.milestones(trial.number), self.state.best
        return Leg(
            trial=trial.id,
            number=trial.number,
            epoch=trial.epochs_trained,
            params=self.results.fidelity.of(resolve(self._job, trial.values)),
            seed=(self._job.search.seed * 1_000_003 + trial.number) % 2**31,
            milestones=tuple(rung for rung in rungs if rung > trial.epochs_trained),
            rungs=rungs,
            alike=self._alike,
            pauses=self._scheduler.pauses,
            to_beat=best.score if best else None,
            gpu=trial.gpu or self._job.resources.gpu,
            cpu=trial.cpu or self._job.resources.cpu,
            timeout=self._timeout(trial),
            heartbeat=self.heartbeat(trial),
        )

    def _timeout(self, trial: Trial) -> float | None:
        """Seconds of training that a trial has left."""
        limit = self._job.search.trial_timeout
        return None if limit is None else max(0.0, limit - (trial.seconds - trial.forgiven))

    def heartbeat(self, trial: Trial) -> float:
        """Seconds that a trial may be silent."""
        if self._job.search.heartbeat is not None:
            return self._job.search.heartbeat
        epoch = median(trial.history.seconds) if trial.history else 0.0
        return max(_LEAST_HEARTBEAT, _HEARTBEATS * epoch)

    def _write(self, event: Event) -> None:
        event["time"] = time.time()
        self._log.append(event)
        self.state.apply(event)

    def _execute(self) -> None:
        """Carry out what the events so far have decided: ends, and weights that go from one to another."""
        state = self.state
        while state.verdicts:
            trial_id, fate = next(iter(state.verdicts.items()))
            self._write({"event": "end", "trial": trial_id, "state": fate, "error": None})
        for heir, donor in list(state.heirs.items()):
            trial, values = self.results.trials[heir], self.results.trials[donor].values
            values = mutated(self._space, values, [self._job.search.seed, trial.number, trial.epochs_trained])
            self._write({"event": "exploit", "trial": heir, "donor": donor, "values": values})
            self._hand_over(donor, heir)

    def _hand_over(self, donor: str, heir: str) -> None:
        """Copy the weights, before the donor trains on; a second time could be of later ones."""
        self._inherit(donor, heir)
        self._write({"event": "inherit", "trial": heir})
