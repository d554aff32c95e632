"""One sweep's logic, apart from where it runs: which leg comes next and what a report means.

A *leg* is a stretch of one trial's training between two decisions of the scheduler.  Every event is journaled
before it is acted on and then applied by the same code that replays a journal, so a resumed sweep stands
where the interrupted one stood.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict
from typing import Protocol

from jobs.cudnn import off_cudnn
from jobs.outlook import alike
from jobs.params import resolve, space_of
from jobs.report import EpochReport
from jobs.spec import Job
from runner.journal import Event
from runner.legs import Leg
from runner.results import ENDED, Results, Trial
from runner.rungs import Decision
from runner.schedulers import Scheduler
from runner.search import Searcher, planned_trials

_MAX_LOSSES = 3  # times a trial may lose its worker before it counts as failed
_HOPELESS = 3  # failures without a single result after which the sweep gives up


class Log(Protocol):
    """Where events are written."""

    def append(self, event: Event) -> None:
        """Write one event before it is acted on."""


class Conductor:
    """Decides, journals and remembers; whoever runs the legs calls it with what happens."""

    def __init__(
        self, job: Job, searcher: Searcher, scheduler: Scheduler, log: Log, past: Sequence[Event] = ()
    ) -> None:
        """Stand where the events in ``past`` end; new ones go to ``log``."""
        self._job, self._searcher, self._scheduler, self._log = job, searcher, scheduler, log
        space = space_of(job)
        self.planned = planned_trials(job.search.trials, space, scheduler)
        self._alike = alike(space, self.planned)
        self.results = Results()
        self.stopping = False
        self.beaten: list[str] = []  # ended trials whose checkpoints nobody needs any more
        self.kept: list[
            str
        ] = []  # ended trials that were the best so far: their model is needed, their state not
        self._running: set[str] = set()
        self._waiting: set[str] = set()  # paused until the scheduler settles them
        self._queue: deque[str] = deque()
        self._verdicts: dict[str, str] = {}  # trials that must end, and in which state
        self._best: Trial | None = None  # of those that ended
        self._losses: dict[str, int] = {}
        for event in past:
            self._apply(event)
        searcher.seen(trial.values for trial in self.results.trials.values())
        self._take_up()

    @property
    def running(self) -> int:
        """How many legs are being run."""
        return len(self._running)

    @property
    def finished(self) -> bool:
        """Whether nothing runs and nothing is left to run."""
        return not self._running and (self.stopping or self.complete or self.hopeless)

    @property
    def complete(self) -> bool:
        """Whether every planned trial has ended."""
        return self.results.ended >= self.planned

    @property
    def hopeless(self) -> bool:
        """Whether the first trials have all failed and no other has a result."""
        failed = self.results.failed
        if failed < min(_HOPELESS, self.planned) or failed < self.results.ended:
            return False
        return self.results.best() is None

    def next_leg(self) -> Leg | None:
        """The leg to run now, promotions first; None when there is none at the moment."""
        if self.stopping or self.hopeless:
            return None
        if not self._queue and len(self.results.trials) < self.planned:
            self._ask()
        if not self._queue:
            return None
        trial = self.results.trials[self._queue[0]]
        self._write({"event": "leg", "trial": trial.id, "epoch": trial.epochs_trained})
        return self._leg(trial)

    def on_report(self, trial_id: str, report: EpochReport) -> Decision:
        """Journal an epoch's report, then decide what becomes of the trial."""
        trial = self.results.trials[trial_id]
        if report.epoch > trial.epochs_trained:
            rung = report.epoch in self._scheduler.milestones(trial.number)
            self._write({"event": "result", "trial": trial_id, **asdict(report), "rung": rung})
        elif report.ended:  # trained again after a crash, to the same end
            self._verdicts[trial_id] = report.ended
        self._execute()
        if trial.state in ENDED:
            return Decision.STOP
        if trial_id in self._waiting:
            self._write({"event": "pause", "trial": trial_id})
            return Decision.PAUSE
        return Decision.CONTINUE

    def on_failed(self, trial_id: str, error: str) -> None:
        """The trial's own work failed; it is not tried again."""
        self._write({"event": "end", "trial": trial_id, "state": "failed", "error": error})
        self._execute()

    def on_lost(self, trial_id: str, error: str) -> None:
        """The trial's worker is gone; it runs again from its last saved state, a few times at most."""
        if trial_id not in self._running:
            return  # it had been decided on already
        self._losses[trial_id] = self._losses.get(trial_id, 0) + 1
        if self._losses[trial_id] >= _MAX_LOSSES:
            self.on_failed(trial_id, f"lost its worker {_MAX_LOSSES} times, at last by this: {error}")
            return
        self.on_suspended(trial_id)
        self._queue.append(trial_id)

    def on_exhausted(self, trial_id: str, error: str) -> None:
        """The trial needs more of the GPU's memory than its share; it has another try, with twice as much."""
        trial, share = self.results.trials[trial_id], self._job.resources.gpu
        if trial.gpu is None and share < 1:
            self._write({"event": "grow", "trial": trial_id, "gpu": min(1.0, 2 * share), "error": error})
            self._queue.appendleft(trial_id)
            return
        self.on_failed(
            trial_id,
            f"needs more GPU memory than {trial.gpu or share:g} of a card has; lower train.batch_size or the "
            f"network, or raise resources.gpu: {error}",
        )

    def on_suspended(self, trial_id: str) -> None:
        """The trial left its worker before a decision, with or without having saved its state."""
        self._write({"event": "pause", "trial": trial_id})

    def stop(self) -> None:
        """Start nothing new."""
        self.stopping = True

    def _ask(self) -> None:
        number = len(self.results.trials)
        values = self._searcher.ask(number)
        event: Event = {"event": "trial", "trial": f"{number:05d}", "number": number, "values": values}
        if self._job.resources.gpu:
            event["off_cudnn"] = off_cudnn(resolve(self._job, values).network, self._job.backend)
        self._write(event)
        self._queue.append(f"{number:05d}")

    def _leg(self, trial: Trial) -> Leg:
        rungs = self._scheduler.milestones(trial.number)
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
            to_beat=self._best.score if self._best else None,
            gpu=trial.gpu or self._job.resources.gpu,
        )

    def _write(self, event: Event) -> None:
        event["time"] = time.time()
        self._log.append(event)
        self._apply(event)

    def _execute(self) -> None:
        """End the trials on which the events so far have passed a verdict."""
        while self._verdicts:
            trial_id, state = next(iter(self._verdicts.items()))
            self._write({"event": "end", "trial": trial_id, "state": state, "error": None})

    def _apply(self, event: Event) -> None:
        """Move on by one event, live or replayed."""
        self.results.apply(event)
        trial = self.results.trials.get(event.get("trial", ""))
        if trial is None:
            return
        match event["event"]:
            case "leg":
                if trial.id in self._queue:
                    self._queue.remove(trial.id)
                self._running.add(trial.id)
            case "pause" | "grow":
                self._running.discard(trial.id)
            case "result":
                self._judge(trial, event)
            case "end":
                self._end(trial)

    def _judge(self, trial: Trial, event: Event) -> None:
        if event["ended"]:
            self._verdicts[trial.id] = event["ended"]
            return
        if not event["rung"]:
            return
        best = math.inf if trial.score is None else trial.score
        match self._scheduler.on_result(trial.number, event["epoch"], best):
            case Decision.STOP:
                self._verdicts[trial.id] = "stopped_early"
            case Decision.PAUSE:
                self._waiting.add(trial.id)
            case Decision.CONTINUE:
                pass
        self._take_settled()

    def _end(self, trial: Trial) -> None:
        self._running.discard(trial.id)
        self._waiting.discard(trial.id)
        self._verdicts.pop(trial.id, None)
        if trial.state != "stopped_early":  # the scheduler knows of those: it stopped them
            lost = trial.state != "done" or trial.score is None
            self._scheduler.on_end(trial.number, math.inf if lost else float(trial.score or 0))
            self._take_settled()
        loser: Trial | None = trial
        if trial.eligible and (self._best is None or trial.rank() < self._best.rank()):
            loser, self._best = self._best, trial
            self.kept.append(trial.id)
        if loser is not None:
            self.beaten.append(loser.id)

    def _take_settled(self) -> None:
        for number, decision in self._scheduler.settled():
            trial_id = self.results.numbered[number]
            self._waiting.discard(trial_id)
            if decision is Decision.CONTINUE:
                self._queue.append(trial_id)
            else:
                self._verdicts[trial_id] = "stopped_early"

    def _take_up(self) -> None:
        """After a replay: run again what was running, and write down verdicts that were not."""
        self._running.clear()
        self._execute()
        settled = self._waiting | set(self._queue)
        open_trials = (t.id for t in self.results.trials.values() if t.state not in ENDED)
        self._queue.extendleft(reversed([trial_id for trial_id in open_trials if trial_id not in settled]))
