"""Bayesian optimization with a Gaussian process (Snoek et al. 2012, NeurIPS), which is KerasTuner's."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import numpy as np

from jobs.space import Values
from runner.quiet import spare_keras
from runner.searchers.axes import Point
from runner.searchers.told import Learner

if TYPE_CHECKING:
    from runner.searchers.oracles import Bayesian

_DRAWS = 300
_INITIAL = 3  # results for each hyperparameter, before which KerasTuner draws uniformly


class BayesianSearch(Learner):
    """Chooses where the process's lower confidence bound is least.

    Results are compared at equal epochs (see ``told``); a trial that came to nothing counts as the worst of
    the others, since the process knows no infinity.
    """

    def ask(self, number: int) -> Values | None:
        """What the oracle answers, or the best beside it where a trial has had that; first, uniform draws."""
        seeds = np.random.SeedSequence([self._seed, number])
        rng = np.random.default_rng(seeds)
        return self._choose(1 + int(seeds.generate_state(1)[0]) // 2, rng) or self._novelty.draw(rng)

    def _choose(self, seed: int, rng: np.random.Generator) -> Values | None:
        """The oracle's choice, once it has as many results as it begins with; until then it would draw."""
        results = self._told.compared(self._enough)
        finite = [score for score in results.values() if math.isfinite(score)]
        if len(finite) < self._enough or not self._axes.all:
            return None
        with spare_keras():
            from threadpoolctl import threadpool_limits

            from runner.searchers.oracles import Bayesian, point
        oracle, worst = Bayesian(self._axes, seed), max(finite)
        for number, score in results.items():
            oracle.hold(self._told.points[number], min(score, worst))
        with warnings.catch_warnings(), threadpool_limits(1):  # threads take longer than such small matrices
            warnings.simplefilter("ignore")  # that the process's kernel fits none too well
            if pending := self._told.pending(results):
                oracle.fit()
            for number in pending:
                oracle.hold(self._told.points[number], None)
            chosen = point(oracle.populate_space("")["values"])
        values = self._axes.values(chosen)
        return self._beside(chosen, oracle, rng) if self._novelty.knows(values) else values

    def _beside(self, chosen: Point, oracle: Bayesian, rng: np.random.Generator) -> Values | None:
        """The best that differs in little from a choice that a trial has had already."""
        near = []
        for _ in range(_DRAWS):
            drawn = self._axes.draw(rng)
            changed = rng.choice(list(drawn), size=1 + int(rng.integers(2)))
            values = self._axes.values(drawn | chosen | {key: drawn[key] for key in changed})
            if not self._novelty.knows(values):
                near.append(self._axes.point(values) or {})
        return self._axes.values(oracle.least(near)) if near else None

    @property
    def _enough(self) -> int:
        return max(_INITIAL, _INITIAL * len(self._axes.all))
