"""Two programs for each shape of trial: one trains on many batches in a call, one evaluates many."""

from __future__ import annotations

import ctypes
import itertools
import time
from contextlib import suppress
from functools import lru_cache
from typing import Any

import keras
import numpy as np
from keras import ops

from jobs.engine.backend import Arrays, backend
from jobs.engine.losses import loss_function
from jobs.engine.network import Dropout, Network
from jobs.engine.optimizers import OPTIMIZERS
from jobs.engine.shape import Batches, Functions, Shape, sums

_KEPT = 24  # shapes that a worker keeps the programs of
_TIDIED = 16  # new programs, after which it gives back memory
_LEAST = -1e30  # less than any output
_NOTHING = 1e-12  # less than the weight of any value
Given = dict[str, Any]


class Training:
    """A program that trains."""

    def __init__(self, shape: Shape, optimizer: str) -> None:
        self.shape = shape
        self.optimizer = optimizer
        self._backend = backend(xla=shape.xla)
        self._run = self._backend.program(self._program)
        self._ready = False

    def prepare(self, arrays: list[Any], given: Given) -> float:
        """Compile, unless that has been done; the seconds it took."""
        if self._ready:
            return 0.0
        began, self._ready = time.perf_counter(), True
        _give_back_memory()
        rates = np.zeros(self.shape.capacity, np.float32)
        self(arrays, self.shape.nothing(), 0, given | {"learning_rates": rates, "step": 0})
        return time.perf_counter() - began

    def __call__(
        self, arrays: list[Any], batches: Batches, count: int, given: Given
    ) -> tuple[list[Any], Any, Any]:
        """Train on the first ``count`` of some batches.

        Args:
            arrays: the weights (size,), then the optimizer's state.
            batches: see ``feed.Feed.gather``.
            count: how many batches there are.
            given: what else differs between trials: ``learning_rates`` of the batches (capacity,), ``rates``
                of dropout (layers,), ``seed`` and ``step``, the number of the first batch, and ``clip``,
                the largest norm of a gradient.

        Returns:
            The arrays after it, each batch's loss and its gradient's norm, (count,).
        """
        given = given | {"step": np.int32(given["step"])}
        after, losses, norms = self._run(arrays, batches, np.int32(count), given)
        return after, ops.convert_to_numpy(losses)[:count], ops.convert_to_numpy(norms)[:count]

    def _program(self, arrays: list[Any], batches: Batches, count: Any, given: Given) -> Any:
        shape = self.shape

        def body(carry: Arrays, index: Arrays) -> tuple[Arrays, Arrays]:
            i, (weights, *state) = index[0], carry
            dropout = Dropout(given["rates"], (given["seed"], given["step"] + i))
            functions = (loss_function(shape.loss, shape.quantile),)

            def loss(forecast: Any) -> Any:
                error = forecast - shape.actual(batches, i)
                real = ops.cast(shape.real(batches, i), "float32")
                total, weight = sums(functions, error, shape.counted(batches, i), real)
                return total / ops.maximum(weight, _NOTHING)

            value, gradient = shape.network.loss_and_gradient(
                self._backend, weights, shape.window(batches, i), dropout, loss
            )
            norm = ops.sqrt(ops.sum(ops.square(gradient)))
            gradient = gradient * ops.minimum(1.0, given["clip"] / norm)
            after = OPTIMIZERS[self.optimizer].apply(
                weights, gradient, tuple(state), given["learning_rates"][i]
            )
            return (after[0], *after[1]), (value, norm)

        carry, found = self._backend.loop(count, shape.capacity, body, tuple(arrays), 2)
        return list(carry), *found


_numbers = itertools.count(1)


def _give_back_memory() -> None:
    """Once for so many new programs, give back what those that were dropped had taken: nobody else does."""
    if next(_numbers) % _TIDIED == 0:
        keras.utils.clear_session()  # TensorFlow keeps each kernel that it ever ran
        with suppress(OSError, AttributeError):  # only the GNU C library can be told to
            ctypes.CDLL(None).malloc_trim(0)


class Evaluation:
    """A program that evaluates."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self._backend = backend(xla=shape.xla)
        layers = shape.network.params.layers
        self._relus = [index for index, layer in enumerate(layers) if layer.activation == "relu"]
        self._units = sum(layers[index].units for index in self._relus)
        self._run = self._step_by_step if self._backend.eager else self._backend.program(self._program)
        self._ready = False

    def prepare(self, weights: Any) -> float:
        """Compile, unless that has been done; the seconds it took."""
        if self._ready:
            return 0.0
        began, self._ready = time.perf_counter(), True
        if not self._backend.eager:
            self(weights, self.shape.nothing(), 0)
        return time.perf_counter() - began

    def __call__(self, weights: Any, batches: Batches, count: int) -> tuple[Any, Any]:
        """Evaluate the first ``count`` of some batches.

        Returns:
            Sums over the windows of loss, squared and absolute error, and of the windows' weights, (4,)
            float64, and the largest output of each ReLU unit, (units of all ReLU layers,).
        """
        *found, largest = self._run(weights, batches, np.int32(count))
        totals = [ops.convert_to_numpy(each).sum(dtype=np.float64) for each in found]
        return np.array(totals), ops.convert_to_numpy(largest)

    def _functions(self) -> Functions:
        return loss_function(self.shape.loss, self.shape.quantile), ops.square, ops.abs

    def _step_by_step(self, weights: Any, batches: Batches, count: Any) -> Any:
        """Without a program: recurrences are graphs that training has made already, the rest is little."""
        shape, unflat = self.shape, self.shape.network.unflatten(weights)
        errors: list[Any] = []
        counted: list[Any] = []
        largest = np.full(self._units, _LEAST)
        for i in range(count):
            some = shape.alone(batches, i)
            forecast, outputs = shape.network.apply(self._backend, unflat, shape.window(some, 0))
            errors.append(ops.convert_to_numpy(forecast) - some["y"][0])
            counted.append(shape.counted(some, 0))
            if self._relus:
                relus = [ops.convert_to_numpy(outputs[i]) for i in self._relus]
                units = [each.reshape(-1, each.shape[-1]).max(0) for each in relus]
                largest = np.maximum(largest, np.concatenate(units))
        error, there = np.concatenate(errors), np.concatenate(counted) if shape.masked else None
        return *sums(self._functions(), error, there, np.ones(len(error), np.float32)), largest

    def _program(self, weights: Any, batches: Batches, count: Any) -> Any:
        shape = self.shape
        unflat = shape.network.unflatten(weights)

        def body(carry: Arrays, index: Arrays) -> tuple[Arrays, Arrays]:
            forecast, outputs = shape.network.apply(self._backend, unflat, shape.window(batches, index[0]))
            real, counted = shape.real(batches, index[0]), shape.counted(batches, index[0])
            error = forecast - shape.actual(batches, index[0])
            found = sums(self._functions(), error, counted, ops.cast(real, "float32"))
            if not self._relus:
                return carry, found
            largest = [_largest(outputs[i], real) for i in self._relus]
            return (ops.maximum(carry[0], ops.concatenate(largest)),), found

        begin = (ops.full((self._units,), _LEAST, dtype="float32"),)
        (largest,), found = self._backend.loop(count, shape.capacity, body, begin, 4)
        return *found, largest


def _largest(output: Any, real: Any) -> Any:
    """Each unit's largest output over all steps and the ``real`` windows."""
    found = ops.where(ops.expand_dims(real, -1), ops.cast(output, "float32"), _LEAST)
    return ops.max(ops.reshape(found, (-1, output.shape[-1])), axis=0)


def fresh_state(network: Network, optimizer: str) -> list[Any]:
    """An optimizer's state before the first step: the number of steps, then its slots, (size,) each."""
    return [np.float32(0), *(np.full(network.size, v, np.float32) for v in OPTIMIZERS[optimizer].slots)]


@lru_cache(_KEPT)
def training_program(shape: Shape, optimizer: str) -> Training:
    """The program of that shape, the one of before if there is one."""
    return Training(shape, optimizer)


@lru_cache(_KEPT)
def evaluation_program(shape: Shape) -> Evaluation:
    """The program of that shape, the one of before if there is one."""
    return Evaluation(shape)
