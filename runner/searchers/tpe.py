"""Tree-structured Parzen estimators (Bergstra et al. 2011, NeurIPS), which are Optuna's."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.space import Space, Values
from runner.searchers.axes import Axes, Axis
from runner.searchers.novelty import Novelty
from runner.searchers.rule import Searcher
from runner.searchers.told import Results, Told

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution

_FEWEST = 10  # results of which a model is made; Optuna's own number
_TRIES = 5  # at a configuration that no trial has had


class TPE(Searcher):
    """Chooses where the densities of good and of other configurations differ most.

    The model is multivariate, of layers that only some networks have in groups of their own.  Results are
    compared at equal epochs (see ``told``); trials that are running count as bad ones, so that those that run
    beside each other are not alike.  An ask takes about a tenth of a second with 1,000 trials.
    """

    def __init__(self, space: Space, seed: int) -> None:
        """Draw uniformly from ``space`` until there are enough results."""
        self._seed, self._novelty = seed, Novelty(space)
        self._axes = Axes.of(space)
        self._told = Told(self._axes)
        self._enough = max(_FEWEST, len(self._axes.all) + 3)  # Falkner et al. 2018, section 3.3

    def ask(self, number: int) -> Values | None:
        """The best of the model's draws that no trial has had."""
        seeds = np.random.SeedSequence([self._seed, number])
        results = self._told.compared(self._enough)
        if sum(map(math.isfinite, results.values())) >= self._enough:
            study = self._study(results, int(seeds.generate_state(1)[0]))
            distributions = {axis.name: _distribution(axis) for axis in self._axes.all}
            for _ in range(_TRIES):
                values = self._axes.values(study.ask(distributions).params)
                if not self._novelty.knows(values):
                    return values
        return self._novelty.draw(np.random.default_rng(seeds))

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

    def _study(self, results: Results, seed: int) -> Study:
        """A study that holds what is known; it writes and says nothing."""
        import optuna
        from optuna.trial import TrialState, create_trial

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(
                multivariate=True, group=True, constant_liar=True, n_startup_trials=0, seed=seed
            )
        study = optuna.create_study(sampler=sampler)
        points = self._told.points
        distributions = {axis.name: _distribution(axis) for axis in self._axes.all}
        for number, value in [*results.items(), *((n, None) for n in self._told.pending(results))]:
            study.add_trial(
                create_trial(
                    state=TrialState.RUNNING if value is None else TrialState.COMPLETE,
                    value=value,
                    params=points[number],
                    distributions={name: distributions[name] for name in points[number]},
                )
            )
        return study


def _distribution(axis: Axis) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    match axis.kind:
        case "category":
            return CategoricalDistribution(range(int(axis.high) + 1))
        case "whole":
            return IntDistribution(int(axis.low), int(axis.high), log=axis.log)
        case "real":
            return FloatDistribution(axis.low, axis.high, log=axis.log)
