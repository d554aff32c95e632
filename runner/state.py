"""What a sweep's journal adds up to: who runs, who waits, who goes on next, who has to end.

Live events and replayed ones go through the same code, so a resumed sweep stands where the interrupted one
stood.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any

from runner.journal import Event
from runner.results import Results
from runner.schedulers.rule import Fate, Scheduler
from runner.schedulers.rungs import Decision
from runner.searchers.rule import Searcher
from runner.trial import ENDED, Trial


class State:
    """A pure function of the events; trials are named by their ids.

    Attributes:
        results: what readers of the journal see.
        given: configurations that are tried before the searcher is asked.
        warm: the model whose weights networks begin with, see ``runner.warm``.
        running: whose legs are being run.
        waiting: paused until the scheduler settles them.
        queue: to be run, the next one first.
        verdicts: trials that must end, and in which state.
        heirs: trials that must go on from another's weights, and whose.
        copies: those that were told to, and the weights may not have been copied yet.
        best: of those that ended.
        kept: ended trials that were the best so far: their model is needed, their state not.
        beaten: ended trials whose checkpoints nobody needs any more.
    """

    def __init__(self, searcher: Searcher, scheduler: Scheduler) -> None:
        """Before the first event."""
        self._searcher, self._scheduler = searcher, scheduler
        self.results = Results()
        self.given: list[dict[str, Any]] = []
        self.warm: dict[str, Any] | None = None
        self.running: set[str] = set()
        self.waiting: set[str] = set()
        self.queue: deque[str] = deque()
        self.verdicts: dict[str, str] = {}
        self.heirs: dict[str, str] = {}
        self.copies: dict[str, str] = {}
        self.best: Trial | None = None
        self.kept: list[str] = []
        self.beaten: list[str] = []

    def apply(self, event: Event) -> None:
        """Move on by one event."""
        self.results.apply(event)
        match event["event"]:
            case "start":
                if self.results.planned is not None:
                    self._scheduler.expect(self.results.planned)
                    self._take_settled()
                return
            case "given":
                self.given, self.warm = event["configurations"], event.get("warm")
                self._searcher.on_evidence(event["evidence"])
                return
        trial = self.results.trials.get(event.get("trial", ""))
        if trial is not None:
            self._of_trial(trial, event)

    def take_up(self) -> None:
        """After a replay: whoever was running is to be run again, and goes first."""
        self.running.clear()
        open_trials = [t.id for t in self.results.trials.values() if t.state not in ENDED]
        settled = self.waiting | set(self.queue) | set(self.verdicts) | set(self.heirs)
        self.queue.extendleft(reversed([trial for trial in open_trials if trial not in settled]))

    def _of_trial(self, trial: Trial, event: Event) -> None:
        match event["event"]:
            case "trial":
                self._searcher.on_trial(trial.number, trial.values)
                self.queue.append(trial.id)
            case "leg":
                self._leg(trial)
            case "pause":
                self.running.discard(trial.id)
            case "lost":
                self.running.discard(trial.id)
                self.queue.append(trial.id)
            case "grow":
                self.running.discard(trial.id)
                self.queue.appendleft(trial.id)
            case "result":
                self._judge(trial, event)
            case "exploit" | "inherit" as what:
                self._weights(trial, copied=what == "inherit")
            case "end":
                self._end(trial)
            case "retry":
                self._retry(trial)

    def _leg(self, trial: Trial) -> None:
        if trial.id in self.queue:
            self.queue.remove(trial.id)
        self.waiting.discard(trial.id)
        self.running.add(trial.id)
        self._scheduler.on_leg(trial.number)

    def _judge(self, trial: Trial, event: Event) -> None:
        if event["ended"]:
            self.verdicts[trial.id] = event["ended"]
            return
        if not event["rung"]:
            return
        best, score = (math.inf if each is None else float(each) for each in (trial.score, event["score"]))
        self._searcher.on_result(trial.number, event["epoch"], best)
        match self._scheduler.on_result(trial.number, event["epoch"], best, score):
            case Decision.STOP:
                self.verdicts[trial.id] = "stopped_early"
            case Decision.PAUSE:
                self.waiting.add(trial.id)
            case Decision.CONTINUE:
                pass
        self._take_settled()

    def _end(self, trial: Trial) -> None:
        self.running.discard(trial.id)
        self.waiting.discard(trial.id)
        self.verdicts.pop(trial.id, None)
        self.heirs.pop(trial.id, None)
        if trial.id in self.queue:
            self.queue.remove(trial.id)
        lost = trial.state in {"diverged", "failed"} or trial.score is None
        best = math.inf if lost else float(trial.score or 0)
        self._searcher.on_end(trial.number, best, early=trial.state == "stopped_early")
        if trial.state == "stopped_early":
            self._scheduler.on_stopped(trial.number, best)
        else:
            self._scheduler.on_end(trial.number, best)
            self._take_settled()
        loser: Trial | None = trial
        if trial.eligible and (self.best is None or trial.rank() < self.best.rank()):
            loser, self.best = self.best, trial
            self.kept.append(trial.id)
        if loser is not None:
            self.beaten.append(loser.id)

    def _weights(self, trial: Trial, *, copied: bool) -> None:
        if copied:
            del self.copies[trial.id]
        else:
            self.copies[trial.id] = self.heirs.pop(trial.id)
            self.queue.append(trial.id)

    def _retry(self, trial: Trial) -> None:
        if trial.id in self.beaten:
            self.beaten.remove(trial.id)  # what it saves from now on is needed
        self._scheduler.on_retry(trial.number)
        self.queue.append(trial.id)

    def _take_settled(self) -> None:
        for fate in self._scheduler.settled():
            self._settle(fate)

    def _settle(self, fate: Fate) -> None:
        trial = self.results.numbered[fate.number]
        self.waiting.discard(trial)
        if fate.decision is Decision.STOP:
            self.verdicts[trial] = "stopped_early"
        elif fate.donor is not None:
            self.heirs[trial] = self.results.numbered[fate.donor]
        else:
            self.queue.append(trial)
