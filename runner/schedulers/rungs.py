"""One rung of successive halving: who has come to an epoch, in the order of their scores.

A look and an arrival take O(log trials), so that a sweep of many thousands costs no more a trial than a small
one.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from dataclasses import dataclass, field
from enum import Enum


class Decision(Enum):
    """What becomes of a trial after a result."""

    CONTINUE = "continue"
    STOP = "stop"
    PAUSE = "pause"


@dataclass
class Rung:
    """Trials that have come to an epoch, or ended before it."""

    numbers: set[int] = field(default_factory=set)
    ranked: list[tuple[float, int]] = field(default_factory=list)  # scores and numbers, ascending

    def __len__(self) -> int:
        return len(self.ranked)

    def enter(self, number: int, best: float) -> bool:
        """Count a trial; False if it was counted before, with whatever score."""
        if number in self.numbers:
            return False
        self.numbers.add(number)
        insort(self.ranked, standing(number, best))
        return True

    def leave(self, number: int) -> None:
        """Count a trial no more."""
        if number in self.numbers:
            self.numbers.remove(number)
            self.ranked = [place for place in self.ranked if place[1] != number]

    def better(self, best: float) -> int:
        """How many have a better score."""
        return bisect_left(self.ranked, (best, -1))


def standing(number: int, best: float) -> tuple[float, int]:
    """What trials are ranked by; a NaN, which has no place in an order, is as bad as a score can be."""
    return (math.inf if math.isnan(best) else best, number)


@dataclass
class Round:
    """A rung that a known number of trials will come to and a known number will go on from.

    The best ``advance - missing`` are certain to go on, missing being how many have not come yet, and all
    but the best ``advance`` are certain to stop; so an arrival decides on at most one trial of each kind.
    """

    epoch: int
    size: int
    advance: int
    rung: Rung = field(default_factory=Rung)

    def enter(self, number: int, best: float) -> list[tuple[int, Decision]]:
        """Count a trial; return what is certain since, the best first."""
        if not self.rung.enter(number, best):
            return []
        arrived, ranked = standing(number, best), self.rung.ranked
        certain = self.advance - (self.size - len(ranked))
        decided = []
        if certain > 0:
            decided.append((min(arrived, ranked[certain - 1])[1], Decision.CONTINUE))
        if len(ranked) > self.advance:
            decided.append((max(arrived, ranked[self.advance])[1], Decision.STOP))
        return decided
