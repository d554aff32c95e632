"""A sweep as a scheduler sees it: numbers and scores, nothing of conductors and journals."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from runner.rungs import Decision
from runner.schedulers import Scheduler
from tests.runner.curves import Curve

Call = tuple[str, int, int, float]


@dataclass
class Play:
    """A sweep of numbers and scores only: what was told, what was decided, how far each trial came."""

    scheduler: Scheduler
    calls: list[Call] = field(default_factory=list)
    answers: list[Decision | None] = field(default_factory=list)
    settled: list[tuple[int, int, Decision]] = field(default_factory=list)  # after which call
    epochs: dict[int, int] = field(default_factory=dict)
    ends: dict[int, str] = field(default_factory=dict)

    def tell(self, kind: str, number: int, epoch: int, best: float) -> Decision | None:
        self.calls.append((kind, number, epoch, best))
        if kind == "end":
            self.scheduler.on_end(number, best)
            answer = None
        else:
            answer = self.scheduler.on_result(number, epoch, best)
        self.answers.append(answer)
        self.settled += [(len(self.calls), number, fate) for number, fate in self.scheduler.settled()]
        return answer


def play(scheduler: Scheduler, curves: list[Curve], workers: int, rng: np.random.Generator) -> Play:
    """Run trials to their ends, whichever of the running ones comes next being chance."""
    done = Play(scheduler)
    fresh, ready = deque(range(len(curves))), deque[int]()
    running: list[int] = []
    paused: set[int] = set()
    heard = 0
    while len(done.ends) < len(curves):
        while len(running) < workers and (ready or fresh):
            running.append((ready or fresh).popleft())
        assert running, f"dead-lock: {len(paused)} trials wait and nobody runs"
        number = running.pop(int(rng.integers(len(running))))
        answer = advance(done, curves[number], number)
        if answer is Decision.CONTINUE:
            running.append(number)
        elif answer is Decision.PAUSE:
            paused.add(number)
        for _, settled, fate in done.settled[heard:]:
            paused.remove(settled)
            if fate is Decision.CONTINUE:
                ready.append(settled)
            else:
                done.ends[settled] = "stopped_early"
        heard = len(done.settled)
    assert (running, list(ready), paused) == ([], [], set())
    return done


def advance(done: Play, curve: Curve, number: int) -> Decision | None:
    """Train one trial to its next milestone or to its end."""
    now = done.epochs.get(number, 0)
    end, state = curve.end()
    milestone = next((m for m in done.scheduler.milestones(number) if m > now), math.inf)
    if end <= milestone:  # what ends by itself at a milestone is not asked about
        done.epochs[number], done.ends[number] = end, state
        return done.tell("end", number, end, curve.best(end) if state == "done" else math.inf)
    done.epochs[number] = int(milestone)
    answer = done.tell("result", number, int(milestone), curve.best(int(milestone)))
    if answer is Decision.STOP:
        done.ends[number] = "stopped_early"
    return answer
