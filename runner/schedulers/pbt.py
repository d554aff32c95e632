"""Population based training (Jaderberg et al. 2017, arXiv:1711.09846)."""

from __future__ import annotations

import math

import numpy as np

from runner.schedulers.rule import Fate, Scheduler
from runner.schedulers.rungs import Decision, standing

_SHARE = 4  # of the population: the last of so many go on from one of the first


class PopulationBased(Scheduler):
    """All trials train for ``interval`` epochs, then those that do worst go on from those that do best.

    A generation is decided on when all of the population have come to it or ended, so that what becomes of
    a trial does not depend on which of them was faster.  Who of the last quarter goes on from whom of the
    first is drawn by the sweep's seed, the epoch and the trial's number.
    """

    pauses = True

    def __init__(self, *, max_epochs: int, interval: int, seed: int) -> None:
        """Set the ends of the generations below ``max_epochs``."""
        self._milestones = tuple(range(interval, max_epochs, interval))
        self._seed = seed
        self._planned = math.inf
        self._waiting: dict[int, list[tuple[float, int]]] = {epoch: [] for epoch in self._milestones}
        self._counted: dict[int, set[int]] = {epoch: set() for epoch in self._milestones}  # came, or ended
        self._settled: list[Fate] = []

    def expect(self, planned: int) -> None:
        """So many are the population."""
        self._planned = planned
        for epoch in self._milestones:
            self._settle(epoch)

    def milestones(self, number: int) -> tuple[int, ...]:
        """The ends of the generations, the same for all."""
        del number
        return self._milestones

    def on_result(self, number: int, epoch: int, best: float, score: float) -> Decision:
        """Wait for the others; the last to come is told at once."""
        del best
        if not math.isfinite(score):
            self.on_end(number, math.inf)
            return Decision.STOP
        self._waiting[epoch].append(standing(number, score))
        self._counted[epoch].add(number)
        self._settle(epoch)
        own = Fate(number, Decision.CONTINUE)
        if own in self._settled:
            self._settled.remove(own)
            return Decision.CONTINUE
        return Decision.PAUSE

    def on_end(self, number: int, best: float) -> None:
        """Nobody waits for it."""
        del best
        for epoch, counted in self._counted.items():
            counted.add(number)
            self._settle(epoch)

    def settled(self) -> list[Fate]:
        """Those whose generation is complete."""
        settled, self._settled = self._settled, []
        return settled

    def _settle(self, epoch: int) -> None:
        """Decide on those that wait there, if nobody else is to come."""
        waiting = self._waiting[epoch]
        if waiting and len(self._counted[epoch]) >= self._planned:
            self._settled += self._fates(epoch, sorted(waiting))
            waiting.clear()

    def _fates(self, epoch: int, ranked: list[tuple[float, int]]) -> list[Fate]:
        """Of those that have waited together, in the order of their standing."""
        numbers = [number for _, number in ranked]
        count = len(numbers) // _SHARE
        fates = [Fate(number, Decision.CONTINUE) for number in numbers[: len(numbers) - count]]
        for number in numbers[len(numbers) - count :]:
            donor = int(np.random.default_rng([self._seed, epoch, number]).integers(count))
            fates.append(Fate(number, Decision.CONTINUE, donor=numbers[donor]))
        return fates
