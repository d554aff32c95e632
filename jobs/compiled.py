"""Training a user's network by its own compile, on the windows of every other trial."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from typing import Any

import keras
import numpy as np

from jobs.errors import JobError
from jobs.feed import Order, batches_of
from jobs.hypermodel import Hypermodel, hyperparameters
from jobs.learner import Ask, Pass, Rates, Validation
from jobs.material import Material
from jobs.ownfit import OwnFit
from jobs.params import Params
from jobs.stopwatch import clocked
from jobs.trainstate import Arrays
from jobs.userbatch import Batch
from jobs.usermodel import compile_by, output_shape, served
from jobs.userprogram import make_program
from jobs.warm import fit

_AT_ONCE = 32  # batches that are gathered at a time
_EVALUATED = 1024  # windows that are validated at a time
_XLA_PAYS = 20_000  # steps of a recurrence, from where on XLA's speed outweighs its compilation


class CompiledLearner:
    """A network of a user's, its optimizer and its loss, moved on by its own ``train_step``."""

    over = False  # whether there is no next epoch

    def __init__(
        self,
        params: Params,
        hypermodel: Hypermodel,
        material: Material,
        seed: int,
        warm: Arrays | None = None,
    ) -> None:
        """Begin with fresh weights, or with ``warm`` ones where they fit.

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
        if warm is not None and fit(warm, [each.shape for each in self._model.weights]):
            self._model.set_weights(warm)
        self._model.optimizer.build(self._model.trainable_variables)
        self._program = make_program(self._model)
        self._fit, self._weighs = None, hypermodel.weighs
        self._epochs = 0
        if hypermodel.fits_itself:
            self._fit = OwnFit(hypermodel, self._hp, self._model, params.train, seed, self._rewind)
            self._first = self.arrays
        self.seconds: dict[str, float] = {}

    @property
    def arrays(self) -> Arrays:
        """Copies of the weights, one flat vector, the epochs, and random and the optimizer's state."""
        flat = [np.ravel(keras.ops.convert_to_numpy(each)) for each in self._model.weights]
        others = [np.array(keras.ops.convert_to_numpy(each)) for each in self._others()]
        return [np.concatenate([*flat, np.zeros(0)]).astype(np.float32), np.array(self._epochs), *others]

    @arrays.setter
    def arrays(self, saved: Arrays) -> None:
        if [array.shape for array in saved] != [array.shape for array in self.arrays]:
            raise JobError("a trial's saved state belongs to another network; the trial starts over")
        self._restore(saved)
        self._epochs = int(saved[1])

    def _restore(self, saved: Arrays) -> None:
        self._put(saved[0])
        for variable, array in zip(self._others(), saved[2:], strict=True):
            variable.assign(array)

    def _rewind(self) -> None:
        """Back to fresh weights, for a ``fit`` that begins at its beginning."""
        self._restore(self._first)

    def _others(self) -> list[Any]:
        weights = {id(each) for each in self._model.weights}
        random = [each for each in self._model.variables if id(each) not in weights]
        optimizer = self._model.optimizer
        rate = getattr(optimizer, "_learning_rate", None)  # a trial that inherits another's state has its own
        return [*random, *(each for each in optimizer.variables if each is not rate)]

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
        """See ``Learner.train``; gradients stay unseen.

        Raises:
            NothingMoreError: the user's ``fit`` has come to its end.
        """
        passed = self._pass(starts, rates, ask) if self._fit is None else self._train_itself(self._fit, ask)
        self._epochs += 1
        return passed

    def _pass(self, starts: Order, rates: Rates, ask: Ask) -> Pass:
        size, begin, seen = self._params.train.batch_size, 0, 0.0
        self._model.reset_metrics()
        while begin < len(starts) and math.isfinite(seen):
            with self.clock("data"):
                piece = starts[begin : begin + size * _AT_ONCE]
                x, y, counts = self._cut(piece).given(self._shape)
            with self.clock("train"):
                if self._params.build is not None and not self._params.build.compiled:
                    self._model.optimizer.learning_rate = float(rates(self.steps(), 1)[0])
                for first in range(0, len(piece), size):
                    some = slice(first, first + size)
                    self._program.step(x[some], y[some], None if counts is None else counts[some])
                seen = float(self._model.get_metrics_result()["loss"])
            begin += len(piece)
            ask()
        return Pass(seen, math.nan, math.nan, watched=False)

    def _train_itself(self, fit: OwnFit, ask: Ask) -> Pass:
        """An epoch of the user's own ``fit``, on the windows in the order of time."""

        def windows() -> tuple[tuple[Any, ...], tuple[Any, ...]]:
            orders = self._material.train, self._material.validation
            batches = [self._cut(order[: len(order)]) for order in orders]
            kept = batches if self._weighs else [batch.whole() for batch in batches]
            train, validation = (batch.given(self._shape) for batch in kept)
            return train, validation[:2]

        with self.clock("train"):
            loss = fit.epoch(self._epochs, windows, ask)
        if math.isnan(loss):  # which only means that nothing was told, perhaps
            loss = self.evaluate(self._material.train, ask).loss
        self.over = fit.over
        return Pass(loss, math.nan, math.nan, watched=False)

    def _cut(self, starts: Any) -> Batch:
        return Batch.cut(self._material, self._params.window.scale, starts)

    def steps(self) -> int:
        """Steps that the optimizer has done."""
        return int(self._model.optimizer.iterations)

    def evaluate(self, starts: Order, ask: Ask) -> Validation:
        """See ``Learner.evaluate``; the loss is the network's own."""
        totals, weight = np.zeros(4), 0
        for begin in range(0, len(starts), _EVALUATED):
            with self.clock("validate"):
                batch = self._cut(starts[begin : begin + _EVALUATED])
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
        """End a ``fit`` that waits."""
        if self._fit is not None:
            self._fit.close()

    def clock(self, kind: str) -> AbstractContextManager[None]:
        """Add what is done inside to the seconds of that kind."""
        return clocked(self.seconds, kind)
