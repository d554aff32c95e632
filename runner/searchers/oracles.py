"""KerasTuner's oracles (O'Malley et al. 2019), which keep nothing on disk and say nothing.

Importing this module imports Keras: do it late, and inside ``runner.quiet.spare_keras``.
"""

from __future__ import annotations

import contextlib
import copy
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from keras_tuner import HyperParameters, Objective
from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.oracles import BayesianOptimizationOracle, HyperbandOracle
from scipy.linalg.lapack import dtrtrs
from sklearn.gaussian_process import GaussianProcessRegressor

from runner.searchers.axes import Axes, Axis, Number, Point

SCORE = "score"
_OBJECTIVE = Objective(SCORE, "min")
_OWN = "tuner/"  # of the names of an oracle's own values, which are no hyperparameters


def hyperparameters(axes: Axes) -> HyperParameters:
    """A space in KerasTuner's terms; what only deep networks have is conditional on their depth."""
    hp = HyperParameters()
    depth = next((axis for axis in axes.all if axis.name == "model.layers"), None)
    for axis in sorted(axes.all, key=lambda axis: axis.layer is not None):  # conditions are on what is there
        with contextlib.ExitStack() as scopes:
            if axis.layer is not None and depth is not None:
                deep = [n for n in _numbers(depth) if int(depth.value(n) or 0) > axis.layer]
                scopes.enter_context(hp.conditional_scope(depth.name, deep))
            for key, numbers in _scopes(axes, axis):
                scopes.enter_context(hp.conditional_scope(key, numbers))
            _declare(hp, axis)
    return hp


def _scopes(axes: Axes, axis: Axis) -> Iterator[tuple[str, list[Number]]]:
    """KerasTuner's conditions of an axis: the keys of others, which lie in the scopes before, and numbers.

    What cannot be told in this way is left out, with all that lies within: an axis that is active to the
    oracle only is dropped from its answers.
    """
    for count, condition in enumerate(axis.when):
        parent = next((a for a in axes.all if (a.name, a.when) == (condition.name, axis.when[:count])), None)
        numbers = [] if parent is None else [parent.number(value) for value in condition.values]
        known = [number for number in numbers if number is not None]
        if parent is None or not known:
            return
        yield parent.key, known


def _numbers(axis: Axis) -> range:
    return range(int(axis.low), int(axis.high) + 1)


def _declare(hp: HyperParameters, axis: Axis) -> None:
    sampling = "log" if axis.log else "linear"
    match axis.kind:
        case "category":
            hp.Choice(axis.key, list(_numbers(axis)), ordered=False)
        case "whole":
            hp.Int(axis.key, axis.low, axis.high, sampling=sampling)
        case "real":
            hp.Float(axis.key, axis.low, axis.high, sampling=sampling)


def point(values: dict[str, Number]) -> Point:
    """The hyperparameters among an oracle's values."""
    return {name: value for name, value in values.items() if not name.startswith(_OWN)}


class _Silent:
    """What every event writes and prints is neither written nor printed."""

    verbose: int

    def save(self) -> None:
        """Nowhere."""

    def _save_trial(self, trial: Trial) -> None:
        """Nowhere."""


class Process(GaussianProcessRegressor):
    """A Gaussian process of one output, which predicts without scikit-learn's checks of its arguments.

    KerasTuner asks it for ten thousand single points a configuration, and the checks take ten times what the
    arithmetic does (Rasmussen & Williams 2006, algorithm 2.1).
    """

    def predict(self, X: Any, *, return_std: bool = False) -> Any:  # noqa: N803 - named by scikit-learn
        """Mean (points,) at ``X`` (points, dimensions), and the standard deviation (points,) if asked for."""
        points = np.atleast_2d(X)
        across = self.kernel_(points, self.X_train_)
        mean = self._y_train_std * (across @ self.alpha_) + self._y_train_mean
        if not return_std:
            return mean
        inner, _ = dtrtrs(self.L_, across.T, lower=1)
        variance = self.kernel_.diag(points) - np.einsum("ij,ij->j", inner, inner)
        return mean, np.sqrt(np.maximum(variance, 0.0)) * self._y_train_std


class Bayesian(_Silent, BayesianOptimizationOracle):
    """Bayesian optimization with a Gaussian process, told of all trials anew for each configuration."""

    def __init__(self, axes: Axes, seed: int) -> None:
        """Know of no trials; ``seed`` is above 0."""
        super().__init__(objective=_OBJECTIVE, hyperparameters=hyperparameters(axes), seed=seed)
        self.verbose = 0

    def hold(self, point: Point, score: float | None) -> None:
        """Take note of a trial; one without a score is running."""
        hp = self.hyperparameters.copy()
        hp.values = dict(point)
        status = TrialStatus.RUNNING if score is None else TrialStatus.COMPLETED
        trial = Trial(hp, trial_id=str(len(self.trials)), status=status)
        trial.score = score
        self.trials[trial.trial_id] = trial
        self._record_values(trial)
        if score is None:
            self.ongoing_trials[trial.trial_id] = trial

    def _make_gpr(self) -> Process:
        """KerasTuner's own process, quicker to ask."""
        own = super()._make_gpr()
        return Process(**own.get_params(deep=False))

    def fit(self) -> None:
        """Fit the process to what there is, so that what runs is guessed by it as KerasTuner does."""
        self.gpr.fit(*self._vectorize_trials())

    def least(self, points: list[Point]) -> Point:
        """Of some points the one where the bound is least that KerasTuner minimizes, by the latest fit."""
        space = self._nonfixed_space()
        mean, deviation = self.gpr.predict(
            [[hp.value_to_prob(point.get(hp.name, hp.default)) for hp in space] for point in points],
            return_std=True,
        )
        return points[int((mean - self.beta * deviation).argmin())]


class Hyperband(_Silent, HyperbandOracle):
    """Hyperband's brackets.

    Attributes:
        told: the hyperparameters that the next new trial has; None: the oracle draws them.
    """

    _brackets: list[dict[str, Any]]
    _current_bracket: int
    _current_iteration: int
    _seed_state: int

    def __init__(self, axes: Axes, *, max_epochs: int, factor: int, iterations: int, seed: int) -> None:
        """Begin the widest bracket."""
        self._axes = axes
        super().__init__(
            objective=_OBJECTIVE,
            max_epochs=max_epochs,
            factor=factor,
            hyperband_iterations=iterations,
            seed=seed,
            hyperparameters=hyperparameters(axes),
            max_consecutive_failed_trials=sys.maxsize,  # when a sweep is hopeless the conductor says
        )
        self.verbose = 0
        self.told: Point | None = None

    def size(self) -> int:
        """How many trials begin, in all brackets together."""
        brackets = range(self._get_num_brackets())
        return int(self.hyperband_iterations * sum(self._get_size(bracket, 0) for bracket in brackets))

    def epochs(self, bracket: dict[str, Any]) -> list[int]:
        """To which the trials of a bracket are trained, round by round."""
        number = bracket["bracket_num"]
        return [self._get_epochs(number, round_num) for round_num in range(self._get_num_rounds(number))]

    def full(self, bracket: dict[str, Any], round_num: int) -> bool:
        """Whether nobody can come to a round any more."""
        rounds = bracket["rounds"]
        if round_num >= len(rounds):
            return True
        return len(rounds[round_num]) >= self._get_size(bracket["bracket_num"], round_num)

    def bracket_of(self, trial: Trial) -> dict[str, Any]:
        """The bracket that a trial has just begun in."""
        return next(b for b in self._brackets if any(t["id"] == trial.trial_id for t in b["rounds"][0]))

    def peek(self) -> dict[str, Any]:
        """What ``populate_space`` would answer now, without anything of it having happened."""
        brackets, self._brackets = self._brackets, copy.deepcopy(self._brackets)
        place = self._current_bracket, self._current_iteration, self._seed_state
        try:
            return self.populate_space("")
        finally:
            self._brackets = brackets
            self._current_bracket, self._current_iteration, self._seed_state = place

    def _compute_values_hash(self, values: dict[str, Number]) -> str:
        """The same for the same configuration."""
        own = {name: value for name, value in values.items() if name.startswith(_OWN)}
        return str(super()._compute_values_hash(own | self._axes.active(point(values))))

    def _random_values(self) -> dict[str, Number] | None:
        return super()._random_values() if self.told is None else dict(self.told)
