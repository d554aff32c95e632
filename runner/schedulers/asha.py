"""Asynchronous successive halving (Li et al. 2020, MLSys, arXiv:1810.05934)."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from dataclasses import dataclass, field

from runner.schedulers.rule import Fate, Scheduler
from runner.schedulers.rungs import Decision, Rung


def rungs_below(max_epochs: int, factor: int, min_epochs: int) -> list[int]:
    """The epochs ``min_epochs · factor^k`` that lie below ``max_epochs``."""
    found, epoch = [], min_epochs
    while epoch < max_epochs:
        found.append(epoch)
        epoch *= factor
    return found


class Asha(Scheduler):
    """The stopping variant: nobody waits.

    A trial goes on from a rung if it is among the best 1/``factor`` of those seen there; while a rung has
    seen fewer than ``factor`` trials nobody is stopped.
    """

    def __init__(self, *, max_epochs: int, factor: int, min_epochs: int) -> None:
        """Set the rungs below ``max_epochs``."""
        self._factor = factor
        self._rungs = {epoch: Rung() for epoch in rungs_below(max_epochs, factor, min_epochs)}

    def milestones(self, number: int) -> tuple[int, ...]:
        """The rungs, the same for all."""
        del number
        return tuple(self._rungs)

    def on_result(self, number: int, epoch: int, best: float, score: float) -> Decision:
        """Stop the trial unless it is among the rung's best."""
        del score
        rung = self._rungs[epoch]
        rung.enter(number, best)
        if not math.isfinite(best):
            return Decision.STOP
        if len(rung) < self._factor:
            return Decision.CONTINUE
        return Decision.CONTINUE if rung.better(best) * self._factor < len(rung) else Decision.STOP

    def on_end(self, number: int, best: float) -> None:
        """Count the trial at the rungs it did not come to."""
        for rung in self._rungs.values():
            rung.enter(number, best)

    def on_retry(self, number: int) -> None:
        """Count it nowhere until it comes again."""
        for rung in self._rungs.values():
            rung.leave(number)


@dataclass
class _Level:
    """A rung on which trials wait to go on.

    Attributes:
        waiting: scores and numbers of those that do, ascending.
        scores: theirs, by number.
        coming: those that have gone on from the rung below and are not here yet.
    """

    rung: Rung = field(default_factory=Rung)
    waiting: list[tuple[float, int]] = field(default_factory=list)
    scores: dict[int, float] = field(default_factory=dict)
    coming: set[int] = field(default_factory=set)

    def hold(self, number: int, score: float) -> None:
        """Let a trial wait."""
        self.scores[number] = score
        insort(self.waiting, (score, number))

    def drop(self, number: int) -> bool:
        """Let a trial wait no more; False if it did not."""
        if number not in self.scores:
            return False
        self.waiting.pop(bisect_left(self.waiting, (self.scores.pop(number), number)))
        return True


class PromotingAsha(Scheduler):
    """The promoting variant: every trial waits at every rung until it is among the best of those seen there.

    Whenever there is a worker, the best waiting trial of the highest rung goes on that is among the best
    1/``factor`` (rounded down) of those seen there; a new one begins if there is none.  When a rung has seen
    all that can ever come to it, that number is rounded up, so that at least one trial comes to the end, and
    the others are stopped; so nobody waits for ever.
    """

    pauses = True

    def __init__(self, *, max_epochs: int, factor: int, min_epochs: int) -> None:
        """Set the rungs below ``max_epochs``."""
        self._factor = factor
        self._levels = {epoch: _Level() for epoch in rungs_below(max_epochs, factor, min_epochs)}
        self._ladder = list(self._levels.values())
        self._planned = math.inf
        self._complete = 0  # so many rungs, from the lowest, have seen all that can come
        self._settled: list[Fate] = []

    def expect(self, planned: int) -> None:
        """The lowest rung is complete when so many have come."""
        self._planned = planned
        self._settle()

    def milestones(self, number: int) -> tuple[int, ...]:
        """The rungs, the same for all."""
        del number
        return tuple(self._levels)

    def on_result(self, number: int, epoch: int, best: float, score: float) -> Decision:
        """Pause, unless it is the one that would go on now, or certain not to."""
        del score
        level = self._levels[epoch]
        level.rung.enter(number, best)
        level.coming.discard(number)
        if math.isfinite(best):
            level.hold(number, best)
        self._settle()
        fate = next((fate for fate in self._settled if fate.number == number), None)
        if fate is not None:
            self._settled.remove(fate)
        if fate is not None or not math.isfinite(best):
            return Decision.STOP
        if self.promotable() == number:
            self.on_leg(number)
            return Decision.CONTINUE
        return Decision.PAUSE

    def on_leg(self, number: int) -> None:
        """Whoever goes on waits no more, and is on its way to the next rung."""
        for level, above in zip(self._ladder, [*self._ladder[1:], _Level()], strict=False):
            if level.drop(number):
                above.coming.add(number)

    def on_end(self, number: int, best: float) -> None:
        """Count the trial at the rungs it did not come to."""
        for level in self._ladder:
            level.rung.enter(number, best)
            level.drop(number)
            level.coming.discard(number)
        self._settle()

    def on_retry(self, number: int) -> None:
        """Count it nowhere until it comes again."""
        for level in self._ladder:
            level.rung.leave(number)
        self._settle()

    def settled(self) -> list[Fate]:
        """Those that are certain not to go on."""
        settled, self._settled = self._settled, []
        return settled

    def promotable(self) -> int | None:
        """The best of those that wait on the highest rung where one is good enough."""
        for index in reversed(range(len(self._ladder))):
            level = self._ladder[index]
            if level.waiting and bisect_left(level.rung.ranked, level.waiting[0]) < self._quota(index):
                return level.waiting[0][1]
        return None

    def _quota(self, index: int) -> int:
        """How many of those seen on a rung may go on."""
        seen = len(self._ladder[index].rung)
        return -(-seen // self._factor) if index < self._complete else seen // self._factor

    def _settle(self) -> None:
        """Find the rungs that have seen all that can come, and stop those there that are not good enough."""
        self._complete = 0
        for index, level in enumerate(self._ladder):
            if (len(level.rung) < self._planned) if index == 0 else level.coming:
                return
            self._complete = index + 1
            quota, ranked = self._quota(index), level.rung.ranked
            while level.waiting and bisect_left(ranked, level.waiting[-1]) >= quota:
                number = level.waiting[-1][1]
                level.drop(number)
                self._settled.append(Fate(number, Decision.STOP))
            if level.waiting:
                return
