"""Training a user's network by its own compile, on the windows of every other trial."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from jobs.engine.window import NORMALISE, Level, Window, normalised
from jobs.errors import JobError
from jobs.feed import Order, batches_of
from jobs.hypermodel import Hypermodel, hyperparameters
from jobs.learner import Ask, Pass, Rates, Validation
from jobs.material import Material
from jobs.params import Params
from jobs.trainstate import Arrays
from jobs.usermodel import compile_by, output_shape, served
from jobs.userprogram import make_program

_AT_ONCE = 32  # batches that are gathered at a time
_EVALUATED = 1024  # windows that are validated at a time
_XLA_PAYS = 20_000  # steps of a recurrence, from where on XLA's speed outweighs its compilation


@dataclass(frozen=True)
class Batch:
    """Windows, scaled.

    Attributes:
        x: (windows, lookback, columns), on their own level.
        y: (windows, horizon, targets).
        there: 1 where a target was not missing, as ``y``; None: all.
        level: where each window lies; None: where all do.
    """

    x: Any
    y: Any
    there: Any
    level: Level | None

    def given(self, shape: tuple[int, ...]) -> tuple[Any, Any, Any]:
        """What a network is given whose forecasts have this shape, and what each counts; None: the same."""
        y, counts = self.y, None
        if self.level is not None:
            centre, spread = self.level.centre, self.level.spread
            y = y - np.asarray(centre)[:, :, : y.shape[2]]
            y = y if spread is None else y / np.asarray(spread)[:, :, : y.shape[2]]
        if self.there is not None:
            counts = self.there.reshape(-1, *shape).mean(axis=-1)
        return self.x, y.reshape(-1, *shape), counts

    def errors(self, forecast: Any) -> tuple[float, float, float]:
        """Sums of squares and of absolute values, and how many values there are."""
        forecast = np.asarray(forecast, np.float32).reshape(self.y.shape)
        if self.level is not None:
            forecast = np.asarray(self.level.back(forecast))
        error = (forecast - self.y).astype(np.float64)
        share = np.ones_like(error) if self.there is None else self.there
        return float((error**2 * share).sum()), float((abs(error) * share).sum()), float(share.sum())


class CompiledLearner:
    """A network of a user's, its optimizer and its loss, moved on by its own ``train_step``."""

    over = False  # whether there is no next epoch

    def __init__(self, params: Params, hypermodel: Hypermodel, material: Material, seed: int) -> None:
        """Begin with fresh weights.

        Raises:
            JobError: the user's function raises, or builds what does not fit.
        """
        assert params.build is not None, "a user's function builds it"  # noqa: S101
        self._params, self._material = params, material
        keras.utils.set_random_seed(seed)
        self._hp = hyperparameters(params.build.values)
        self._model = hypermodel.build(self._hp, material)
        self._shape = output_shape(self._model, material.shapes)
        if not params.build.compiled:
            compile_by(self._model, params.train)
        self._model.optimizer.build(self._model.trainable_variables)
        self._program = make_program(self._model)
        self.seconds: dict[str, float] = {}

    @property
    def arrays(self) -> Arrays:
        """Copies of the weights, one flat vector, and of random and the optimizer's state."""
        flat = [np.ravel(keras.ops.convert_to_numpy(each)) for each in self._model.weights]
        others = [np.array(keras.ops.convert_to_numpy(each)) for each in self._others()]
        return [np.concatenate([*flat, np.zeros(0)]).astype(np.float32), *others]

    @arrays.setter
    def arrays(self, saved: Arrays) -> None:
        if [array.shape for array in saved] != [array.shape for array in self.arrays]:
            raise JobError("a trial's saved state belongs to another network; the trial starts over")
        self._put(saved[0])
        for variable, array in zip(self._others(), saved[1:], strict=True):
            variable.assign(array)

    def _others(self) -> list[Any]:
        weights = {id(each) for each in self._model.weights}
        random = [each for each in self._model.variables if id(each) not in weights]
        return [*random, *self._model.optimizer.variables]

    def _put(self, flat: Any) -> None:
        begin = 0
        for weight in self._model.weights:
            end = begin + math.prod(weight.shape)
            weight.assign(flat[begin:end].reshape(weight.shape))
            begin = end

    def saved_model(self, flat: Any) -> bytes:
        """The served model with these weights."""
        now = self.arrays[0]
        self._put(flat)
        try:
            return served(self._params, self._material.feed, self._model)
        finally:
            self._put(now)

    def expect(self, training: int, validation: int) -> None:
        """Choose the program for so many windows, for the work alone decides, see ``Learner.expect``."""
        del validation
        steps = batches_of(training, self._params.train.batch_size) * self._params.window.lookback
        self._program.compile(fast=steps >= _XLA_PAYS)

    def train(self, starts: Order, rates: Rates, ask: Ask) -> Pass:
        """See ``Learner.train``; gradients stay unseen."""
        size, begin, seen = self._params.train.batch_size, 0, 0.0
        self._model.reset_metrics()
        while begin < len(starts) and math.isfinite(seen):
            with self.clock("data"):
                piece = starts[begin : begin + size * _AT_ONCE]
                x, y, counts = self.windows(piece).given(self._shape)
            with self.clock("train"):
                if self._params.build is not None and not self._params.build.compiled:
                    self._model.optimizer.learning_rate = float(rates(self.steps(), 1)[0])
                for first in range(0, len(piece), size):
                    some = slice(first, first + size)
                    self._program.step(x[some], y[some], None if counts is None else counts[some])
                seen = float(self._model.get_metrics_result()["loss"])
            begin += len(piece)
            ask()
        return Pass(seen, math.nan, math.nan)

    def windows(self, starts: Any) -> Batch:
        """Windows as the network takes them, and what it is to forecast."""
        found = self._material.feed.gather(starts, batch=len(starts), capacity=1)
        x, y, level = found["x"][0], found["y"][0], None
        there = found["there"][0] if "there" in found else None
        kind = NORMALISE.get(self._params.window.scale, "none")
        if kind != "none":
            x, level = normalised(Window(x), kind, self._material.feed.cutter.known.start)
        return Batch(np.asarray(x), y, there, level)

    def steps(self) -> int:
        """Steps that the optimizer has done."""
        return int(self._model.optimizer.iterations)

    def evaluate(self, starts: Order, ask: Ask) -> Validation:
        """See ``Learner.evaluate``; the loss is the network's own."""
        totals, weight = np.zeros(4), 0
        for begin in range(0, len(starts), _EVALUATED):
            with self.clock("validate"):
                batch = self.windows(starts[begin : begin + _EVALUATED])
                loss, forecast = self._program.measure(*batch.given(self._shape))
                totals += [float(loss) * len(batch.x), *batch.errors(forecast)]
                weight += len(batch.x)
            ask()
        if not (weight and totals[3]):
            return Validation(*[math.nan] * 4)
        loss, mse, mae = (totals[:3] / [weight, totals[3], totals[3]]).tolist()
        return Validation(loss, mse, mae, dead_units=math.nan)

    def describe(self) -> tuple[str, int]:
        """Keras's summary, and the number of parameters."""
        lines: list[str] = []
        self._model.summary(print_fn=lines.append, line_length=78)
        return "\n".join(lines), int(self._model.count_params())

    def close(self) -> None:
        """Nothing is held."""

    @contextmanager
    def clock(self, kind: str) -> Iterator[None]:
        """Add what is done inside to the seconds of that kind."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[kind] = self.seconds.get(kind, 0.0) + time.perf_counter() - began
