"""A sweep as a scheduler sees it: numbers and scores, nothing of conductors and journals."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from runner.schedulers.rule import Fate, Scheduler
from runner.schedulers.rungs import Decision
from tests.runner.curves import Curve

Call = tuple[str, int, int, float, float]


@dataclass
class Play:
    """A sweep of numbers and scores only: what was told, what was decided, how far each trial came."""

    scheduler: Scheduler
    calls: list[Call] = field(default_factory=list)
    answers: list[Decision | None] = field(default_factory=list)
    settled: list[tuple[int, Fate]] = field(default_factory=list)  # after which call
    epochs: dict[int, int] = field(default_factory=dict)
    ends: dict[int, str] = field(default_factory=dict)

    def tell(
        self, kind: str, number: int, epoch: int = 0, best: float = math.inf, score: float = math.inf
    ) -> Decision | None:
        self.calls.append((kind, number, epoch, best, score))
        answer = None
        match kind:
            case "expect":
                self.scheduler.expect(number)
            case "leg":
                self.scheduler.on_leg(number)
            case "end":
                self.scheduler.on_end(number, best)
            case "result":
                answer = self.scheduler.on_result(number, epoch, best, score)
        self.answers.append(answer)
        self.settled += [(len(self.calls), fate) for fate in self.scheduler.settled()]
        return answer

    @property
    def results(self) -> list[tuple[int, int, float, float]]:
        """Number, epoch, best and score of every result, in order."""
        return [call[1:] for call in self.calls if call[0] == "result"]


def play(scheduler: Scheduler, curves: list[Curve], workers: int, rng: np.random.Generator) -> Play:
    """Run trials to their ends, whichever of the running ones comes next being chance."""
    done = Play(scheduler)
    done.tell("expect", len(curves))
    fresh, ready = deque(range(len(curves))), deque[int]()
    running: list[int] = []
    paused: set[int] = set()
    heard = 0
    while len(done.ends) < len(curves):
        while len(running) < workers and (number := choose(scheduler, ready, paused, fresh)) is not None:
            done.tell("leg", number)
            running.append(number)
        assert running, f"dead-lock: {len(paused)} trials wait and nobody runs"
        number = running.pop(int(rng.integers(len(running))))
        answer = advance(done, curves[number], number)
        if answer is Decision.CONTINUE:
            running.append(number)
        elif answer is Decision.PAUSE:
            paused.add(number)
        for _, fate in done.settled[heard:]:
            paused.remove(fate.number)
            if fate.decision is Decision.CONTINUE:
                ready.append(fate.number)
            else:
                done.ends[fate.number] = "stopped_early"
        heard = len(done.settled)
    assert (running, list(ready), paused, scheduler.promotable()) == ([], [], set(), None)
    return done


def choose(scheduler: Scheduler, ready: deque[int], paused: set[int], fresh: deque[int]) -> int | None:
    """Who runs next: whoever may go on, else a new trial."""
    if ready:
        return ready.popleft()
    number = scheduler.promotable()
    if number is not None:
        paused.remove(number)
        return number
    return fresh.popleft() if fresh else None


def advance(done: Play, curve: Curve, number: int) -> Decision | None:
    """Train one trial to its next milestone or to its end."""
    now = done.epochs.get(number, 0)
    end, state = curve.end()
    milestone = next((m for m in done.scheduler.milestones(number) if m > now), math.inf)
    if end <= milestone:  # what ends by itself at a milestone is not asked about
        done.epochs[number], done.ends[number] = end, state
        return done.tell("end", number, end, curve.best(end) if state == "done" else math.inf)
    done.epochs[number] = epoch = int(milestone)
    answer = done.tell("result", number, epoch, curve.best(epoch), curve.scores[epoch - 1])
    if answer is Decision.STOP:
        done.ends[number] = "stopped_early"
    return answer
