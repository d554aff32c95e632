"""The median stopping rule (Golovin et al. 2017, Google Vizier, section 3.2.2)."""

from __future__ import annotations

import math
from bisect import insort
from statistics import median
from typing import NamedTuple

from runner.schedulers.rule import Scheduler
from runner.schedulers.rungs import Decision

_FEWEST = 3  # others that have come as far, below which nobody is stopped
_LOOKS = 20  # at a trial, at most: each costs it a saved state


class _Course(NamedTuple):
    """How a trial has done at its milestones so far: how many there were, and the mean of their scores."""

    looks: int = 0
    mean: float = 0.0

    def after(self, score: float) -> _Course:
        return _Course(self.looks + 1, self.mean + (score - self.mean) / (self.looks + 1))


class Median(Scheduler):
    """A trial stops at an epoch if its best until then is worse than the median of the others' means.

    The others are those that have come to that epoch, the means those of their scores from the first
    milestone on.
    """

    def __init__(self, *, max_epochs: int, min_epochs: int) -> None:
        """Decide after ``min_epochs`` and then every so often."""
        self._milestones = tuple(range(min_epochs, max_epochs, max(1, -(-max_epochs // _LOOKS))))
        self._courses: dict[int, _Course] = {}
        self._means: dict[int, list[float]] = {}  # at each epoch, ascending

    def milestones(self, number: int) -> tuple[int, ...]:
        """The same for all."""
        del number
        return self._milestones

    def on_result(self, number: int, epoch: int, best: float, score: float) -> Decision:
        """Stop the trial if its best is worse than the median."""
        others = self._means.setdefault(epoch, [])
        worse = len(others) >= _FEWEST and best > median(others)
        course = self._courses.get(number, _Course()).after(score)
        self._courses[number] = course
        insort(others, course.mean)
        return Decision.STOP if worse or not math.isfinite(best) else Decision.CONTINUE

    def on_retry(self, number: int) -> None:
        """Its mean begins anew; what it had counts on."""
        self._courses.pop(number, None)
