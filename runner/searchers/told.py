"""What models of a search are made of: what trials have come to, compared at equal epochs.

After Falkner et al. 2018 (BOHB, ICML, arXiv:1807.01774, section 3.1), a model is made of the results at the
most epochs at which there are enough of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from jobs.space import Space, Values
from runner.searchers.axes import Axes, Point
from runner.searchers.novelty import Novelty
from runner.searchers.rule import Searcher

_END = math.inf  # the epoch of results of trials that ended by themselves, whenever that was
Results = dict[int, float]  # by trial; infinity for one that came to nothing


@dataclass
class Told:
    """All that a searcher was told of trials whose configurations are the space's.

    Attributes:
        points: by trial, in numbers; those of other sweeps have negative ones.
        results: the best of each trial until each milestone, and of those that ended by themselves.
        over: trials that have ended, with their best, and infinity for those that came to nothing.
        early: those of them that the scheduler stopped.
        evidence: score by epoch of the trials of other sweeps.
    """

    axes: Axes
    points: dict[int, Point] = field(default_factory=dict)
    results: dict[float, Results] = field(default_factory=dict)
    over: Results = field(default_factory=dict)
    early: set[int] = field(default_factory=set)
    evidence: dict[int, dict[int, float]] = field(default_factory=dict)

    def on_evidence(self, evidence: Sequence[dict[str, Any]]) -> None:
        """Keep those whose configurations are the space's."""
        for found in evidence:
            point = self.axes.point(found["values"])
            if point is not None and found["score"] is not None:
                number = next((n for n in self.evidence if self.points[n] == point), -1 - len(self.evidence))
                self.points[number] = point
                self.evidence.setdefault(number, {}).setdefault(found["epoch"], found["score"])

    def on_trial(self, number: int, values: Values) -> None:
        """A trial begins; one whose configuration is not the space's teaches nothing."""
        point = self.axes.point(values)
        if point is not None:
            self.points[number] = point

    def on_result(self, number: int, epoch: int, best: float) -> None:
        """A trial has come to a milestone; if it had failed, it has begun once more."""
        if number in self.points:
            self.over.pop(number, None)
            self.results.setdefault(epoch, {})[number] = best

    def on_end(self, number: int, best: float, *, early: bool) -> None:
        """A trial has ended."""
        if number in self.points:
            self.over[number] = best
            if early:
                self.early.add(number)
            elif math.isfinite(best):
                self.results.setdefault(_END, {})[number] = best

    def compared(self, enough: int) -> Results:
        """Results at the most epochs at which ``enough`` trials have a finite one; else at the fewest.

        One that ended by itself before counts with its best, one that came to nothing or that the scheduler
        stopped before, because it was worse, with infinity.  A trial of another sweep counts once, with its
        result after as many epochs or the next that is known, and with its last where nothing is better.
        """
        for epoch in sorted(self.results, reverse=True):
            found = self._at(epoch)
            if sum(map(math.isfinite, found.values())) >= enough:
                return found
        found = self._at(min(self.results)) if self.results else self._lost()
        return {n: scores[max(scores)] for n, scores in self.evidence.items()} | found

    def pending(self, compared: Results) -> list[int]:
        """Trials that have not ended and are not compared yet."""
        return [n for n in self.points if n >= 0 and n not in compared and n not in self.over]

    def _at(self, epoch: float) -> Results:
        least = max((e for e in self.results if e < epoch), default=0) if epoch == _END else epoch
        known = {n: [e for e in scores if e >= least] for n, scores in self.evidence.items()}
        others = {n: self.evidence[n][min(epochs)] for n, epochs in known.items() if epochs}
        ended = self.results.get(_END, {})
        return others | self._lost() | ended | self.results[epoch]

    def _lost(self) -> Results:
        lost = [n for n, best in self.over.items() if n in self.early or not math.isfinite(best)]
        return dict.fromkeys(lost, math.inf)


class Learner(Searcher):
    """A searcher with a model of what it was told; it chooses nothing twice."""

    def __init__(self, space: Space, seed: int) -> None:
        """Know nothing of ``space``; equal seeds and equal knowledge give equal configurations."""
        self._seed, self._novelty = seed, Novelty(space)
        self._axes = Axes.of(space)
        self._told = Told(self._axes)

    def on_evidence(self, evidence: Sequence[dict[str, Any]]) -> None:
        """Learn from those whose configurations are the space's."""
        self._told.on_evidence(evidence)

    def on_trial(self, number: int, values: Values) -> None:
        """Never choose these again."""
        self._novelty.on_trial(values)
        self._told.on_trial(number, values)

    def on_result(self, number: int, epoch: int, best: float) -> None:
        """Learn from it."""
        self._told.on_result(number, epoch, best)

    def on_end(self, number: int, best: float, *, early: bool) -> None:
        """Learn from it."""
        self._told.on_end(number, best, early=early)
