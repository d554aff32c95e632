"""What a journal says: the trials, the best of them, the state of the sweep."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from jobs.fidelity import PASSES, Fidelity
from runner.hopeless import FIRST, gives_up
from runner.journal import Event
from runner.trial import STATES, Trial, check_id

if TYPE_CHECKING:  # what reads a journal is to start at once
    from jobs.space import Values


class Results:
    """The state that a journal's events add up to; the live sweep and every reader use this same one.

    Attributes:
        first: the trials that ended first, as many as tell whether there is hope.
        hopeless: whether they told that there is none; only a retry takes that back.
        versions, fingerprint, code: of what ran the sweep at last, of its data and the user's modules then.
        scored: the event of that name, the latest.
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        """Add up ``events``."""
        self.trials: dict[str, Trial] = {}
        self.numbered: list[str] = []
        self.planned: int | None = None
        self.fidelity = PASSES
        self.ended = 0
        self.failed = 0
        self.first: list[str] = []
        self.hopeless = False
        self.state = "interrupted"
        self.seconds = 0.0
        self.versions: dict[str, str] = {}
        self.fingerprint: str | None = None
        self.code: str | None = None
        self.scored: Event | None = None
        self._began: float | None = None
        self._last = 0.0
        for event in events:
            self.apply(event)

    def apply(self, event: Event) -> None:
        """Add one event; one of a later version, that an older reader can do without, changes nothing."""
        self._clock(event)
        match event["event"]:
            case "start":
                self.state = "running"
                self.planned = event.get("planned")
                self.fidelity = Fidelity(**event.get("fidelity", {}))
                self.versions = event.get("versions", {})
                self.fingerprint, self.code = event.get("fingerprint"), event.get("code")
                self._suspend_running()
            case "finish":
                self.state = event["state"]
                self._suspend_running()
            case "scored":
                self.scored = event
            case "trial":
                self._add(event["trial"], event["number"], event["values"], event.get("off_cudnn"))
                self.numbered.append(event["trial"])
            case "result":
                self._result(event)
            case kind if event.get("trial") in self.trials:
                self._move(self.trials[event["trial"]], kind, event)

    def _add(self, trial: str, number: int, values: Values, off_cudnn: str | None) -> None:
        check_id(trial)
        self.trials[trial] = Trial(trial, number, values, fidelity=self.fidelity, off_cudnn=off_cudnn)

    def _move(self, trial: Trial, kind: str, event: Event) -> None:
        """A trial goes on, waits or ends."""
        match kind:
            case "leg":
                trial.state = "running"
            case "pause":
                trial.state = "paused"
            case "lost":
                trial.state, trial.lost, trial.forgiven = "paused", event["error"], trial.seconds
                trial.losses, trial.stuck = trial.losses + 1, trial.stuck + (not event.get("node", False))
                trial.late += event["timeout"]
            case "grow":
                trial.state, trial.gpu, trial.cpu = "paused", event.get("gpu"), event.get("cpu")
            case "exploit":
                trial.earlier.append((trial.epochs_trained, trial.values))
                trial.state, trial.values = "paused", event["values"]
            case "end":
                trial.state, trial.error = event["state"], event["error"]
                self.ended += 1
                self.failed += trial.state == "failed"
                self.first += [trial.id] * (len(self.first) < FIRST)
                self.hopeless = self.hopeless or gives_up(self)
            case "retry":
                self._add(trial.id, trial.number, trial.values, trial.off_cudnn)
                self.ended, self.failed = self.ended - 1, self.failed - 1
                self.first = [first for first in self.first if first != trial.id]
                self.hopeless = False

    def mark_interrupted(self) -> None:
        """Whoever ran the sweep died without a word."""
        self.state = "interrupted"
        self._suspend_running()

    def _clock(self, event: Event) -> None:
        now = event.get("time")
        if now is None:
            return
        if event["event"] == "start":
            self._began = now
        elif self._began is not None:
            self.seconds += max(0.0, now - max(self._last, self._began))
        self._last = now

    def _suspend_running(self) -> None:
        """A new process, or the end of one: whatever was running is so no more."""
        for trial in self.trials.values():
            if trial.state == "running":
                trial.state = "paused" if trial.epochs_trained else "pending"

    def _result(self, event: Event) -> None:
        trial = self.trials[event["trial"]]
        trial.history.append(event["epoch"], event["score"], event["seconds"])
        trial.epochs_trained, trial.stuck = event["epoch"], 0
        trial.seconds += event["seconds"]
        trial.vitals = event.get("vitals", {})
        trial.first_vitals = trial.first_vitals or trial.vitals
        if event["rung"]:
            trial.rung = event["epoch"]
        if event["best_score"] is not None and (trial.score is None or event["best_score"] < trial.score):
            trial.score, trial.epoch = event["best_score"], event["best_epoch"]
            trial.metrics = event["metrics"]

    def ranked(self, most: int | None = None) -> list[Trial]:
        """Trials that may be the best, the best first; ``most`` of them, None for all."""
        eligible = [trial for trial in self.trials.values() if trial.eligible]
        return heapq.nsmallest(len(eligible) if most is None else most, eligible, key=Trial.rank)

    def best(self) -> Trial | None:
        """The trial with the best epoch that was seen, whatever became of it, but for failed ones."""
        return min((t for t in list(self.trials.values()) if t.eligible), key=Trial.rank, default=None)

    def counts(self) -> dict[str, int]:
        """Trials in each state."""
        found = Counter(trial.state for trial in self.trials.values())
        return {state: found[state] for state in STATES}

    def epochs_trained(self) -> int | float:
        """Epochs of all trials together, as people are shown them."""
        return self.fidelity.passes(sum(trial.epochs_trained for trial in list(self.trials.values())))

    def failures(self) -> list[Trial]:
        """Trials that failed, in order."""
        return [trial for trial in self.trials.values() if trial.state == "failed"]
