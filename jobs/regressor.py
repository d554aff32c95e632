"""A scikit-learn regressor as a trial: fitted once on flattened windows, saved without a pickle."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from jobs.errors import JobError
from jobs.feed import Feed, Order
from jobs.hypermodel import Hypermodel, hyperparameters
from jobs.learner import Ask, Pass, Rates, Validation
from jobs.material import Material
from jobs.params import Params
from jobs.regressorfile import dumped, loaded
from jobs.stopwatch import clocked
from jobs.trainstate import Arrays
from jobs.userbatch import Batch


class RegressorLearner:
    """A regressor and the windows that it is fitted on, which are all in memory."""

    def __init__(self, params: Params, hypermodel: Hypermodel, material: Material, seed: int) -> None:
        """Build it.

        Raises:
            JobError: the user's function raises; or values are scaled as no regressor can be served.
        """
        assert params.build is not None, "a user's function builds it"  # noqa: S101
        check_scaling(params)
        self._params, self._material, self._hypermodel, self._seed = params, material, hypermodel, seed
        keras.utils.set_random_seed(seed)
        self._model = hypermodel.build(hyperparameters(params.build.values), material)
        _seed(self._model, seed)
        self._saved, self.over = b"", False
        self.seconds: dict[str, float] = {}

    @property
    def arrays(self) -> Arrays:
        """The fitted regressor's bytes; none before."""
        return [np.frombuffer(self._saved, np.uint8)]

    @arrays.setter
    def arrays(self, saved: Arrays) -> None:
        if len(saved) != 1 or saved[0].dtype != np.uint8:
            raise JobError("a trial's saved state belongs to another network; the trial starts over")
        self._saved = saved[0].tobytes()
        self.over = len(self._saved) > 0
        if self.over:
            self._model = loaded(self._saved)

    def saved_model(self, flat: Any) -> bytes:
        """The fitted regressor with its scaling, see ``served``."""
        return served(self._params, self._material.feed, loaded(flat.tobytes()))

    def expect(self, training: int, validation: int) -> None:
        """Nothing is compiled."""

    def train(self, starts: Order, rates: Rates, ask: Ask) -> Pass:
        """Fit; there is no second epoch.

        Raises:
            JobError: the regressor raises, or cannot be saved.
        """
        del rates
        batch = self._cut(starts).whole()
        x, y = _flat(batch.x), _flat(batch.y)
        keras.utils.set_random_seed(self._seed)  # for what takes no seed of its own
        with self.clock("train"), self._hypermodel.excused():
            self._model.fit(x, y[:, 0] if y.shape[1] == 1 else y)
        self._saved, self.over = dumped(self._model), True
        ask()
        squares, _, count = batch.errors(self._model.predict(x))
        return Pass(squares / count, math.nan, math.nan, watched=False)

    def evaluate(self, starts: Order, ask: Ask) -> Validation:
        """Mean errors; the loss is the squared one."""
        batch = self._cut(starts)
        with self.clock("validate"):
            squares, absolute, count = batch.errors(self._model.predict(_flat(batch.x)))
        ask()
        if not count:
            return Validation(*[math.nan] * 4)
        return Validation(squares / count, squares / count, absolute / count, dead_units=math.nan)

    def _cut(self, starts: Order) -> Batch:
        with self.clock("data"):
            return Batch.cut(self._material, self._params.window.scale, starts[: len(starts)])

    def describe(self) -> tuple[str, None]:
        """The regressor as scikit-learn writes it."""
        return repr(self._model), None

    def close(self) -> None:
        """Nothing is held."""

    def clock(self, kind: str) -> AbstractContextManager[None]:
        """Add what is done inside to the seconds of that kind."""
        return clocked(self.seconds, kind)


@dataclass(frozen=True)
class ServedRegressor:
    """A saved regressor, called as a Keras model is."""

    model: Any

    def predict_on_batch(self, windows: Any) -> Any:
        """Raw (batch, lookback, columns) to raw (batch, horizon · targets)."""
        return np.asarray(self.model.predict(np.asarray(windows).reshape(len(windows), -1)), np.float32)


def check_scaling(params: Params) -> None:
    """See that the scaling can be a part of what is saved.

    Raises:
        JobError: it cannot.
    """
    window = params.window
    if window.scale.startswith("instance") or window.scale_by != "all" or window.transform != "none":
        raise JobError(
            "model.build: a regressor is saved with one scaling for all windows; write window.scale: "
            "standard, min_max or none, scale_by: all, transform: none"
        )


def _flat(windows: Any) -> Any:
    """As rows: (windows, lookback · columns) or (windows, horizon · targets)."""
    return windows.reshape(len(windows), -1)


def _seed(model: Any, seed: int) -> None:
    """Seed the regressor, and those inside it, where the user has not."""
    known = model.get_params(deep=True)
    own = [name for name, value in known.items() if name.endswith("random_state") and value is None]
    model.set_params(**dict.fromkeys(own, seed))


def served(params: Params, feed: Feed, model: Any) -> bytes:
    """The regressor in scikit-learn's own parts: raw flattened windows in, raw forecasts out.

    ``skops.io.load(…).predict(windows.reshape(len(windows), -1))`` gives (windows, horizon · targets).
    """
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.pipeline import Pipeline

    window, targets = params.window, feed.cutter.panel.targets
    centre, spread = feed.scaler.centre[0], feed.scaler.spread[0]
    inputs = _scaler(np.tile(centre, window.lookback), np.tile(spread, window.lookback))
    outputs = _scaler(np.tile(centre[:targets], window.horizon), np.tile(spread[:targets], window.horizon))
    pipeline = Pipeline([("scale", inputs), ("regressor", model)])
    whole = TransformedTargetRegressor(regressor=pipeline, transformer=outputs)
    whole.regressor_, whole.transformer_ = pipeline, outputs
    whole._training_dim = 1 if len(outputs.scale_) == 1 else 2  # noqa: SLF001 - what its fit would set
    return dumped(whole)


def _scaler(centre: Any, spread: Any) -> Any:
    from sklearn.preprocessing import StandardScaler

    found = StandardScaler()
    found.mean_, found.scale_, found.var_ = centre, spread, np.square(spread)
    found.n_features_in_, found.n_samples_seen_ = len(centre), 1
    return found


def load_regressor(data: bytes) -> ServedRegressor:
    """What ``served`` saved.

    Raises:
        JobError: it is no regressor, or holds more than scikit-learn's own types.
    """
    return ServedRegressor(loaded(data))
