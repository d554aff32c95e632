"""Two programs for each shape of trial: one trains on many batches in a call, one evaluates many."""

from __future__ import annotations

import ctypes
import itertools
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import keras
import numpy as np
from keras import ops

from jobs.engine.backend import Arrays, backend
from jobs.engine.losses import loss_function
from jobs.engine.network import Dropout, Network
from jobs.engine.optimizers import OPTIMIZERS

_KEPT = 24  # shapes that a worker keeps the programs of
_TIDIED = 16  # new programs, after which it gives back memory
_LEAST = -1e30  # less than any output
Batches = dict[str, Any]
Given = dict[str, Any]


@dataclass(frozen=True)
class Shape:
    """Everything that a program is compiled for; trials that agree in it share the program.

    Attributes:
        network: its shape.
        loss, quantile: see ``losses``.
        batch: windows of a batch.
        capacity: batches that one call takes at most.
        xla: compile by XLA, rather than run a plain graph where the backend has such.
    """

    network: Network
    loss: str
    quantile: float
    batch: int
    capacity: int
    xla: bool

    def scaled(self, batches: Batches, i: Any, given: Given) -> tuple[Any, Any]:
        """Windows (batch, lookback, inputs) and targets (batch, horizon, targets) of batch ``i``, scaled."""
        mean, deviation, targets = given["mean"], given["deviation"], self.network.targets
        # Zeros that fill a batch up may be far from the data, whose scaling would make them overflow.
        real = ops.reshape(self.real(batches, i), (-1, 1, 1))
        x = ops.where(real, (batches["x"][i] - mean) / deviation, 0.0)
        return x, ops.where(real, (batches["y"][i] - mean[:targets]) / deviation[:targets], 0.0)

    def real(self, batches: Batches, i: Any) -> Any:
        """Which windows of batch ``i`` are any, (batch,)."""
        return ops.arange(self.batch) < batches["valid"][i]

    def sums(self, function: Callable[[Any], Any], error: Any, real: Any) -> Any:
        """The mean over a window's steps and targets, summed over the ``real`` windows."""
        return ops.sum(ops.mean(function(error), axis=(1, 2)) * ops.cast(real, "float32"))

    def nothing(self) -> Batches:
        """No batches: a call with them only compiles."""
        network, both = self.network, (self.capacity, self.batch)
        return {
            "x": np.zeros((*both, network.lookback, network.inputs), np.float32),
            "y": np.zeros((*both, network.horizon, network.targets), np.float32),
            "valid": np.zeros(self.capacity, np.int32),
        }


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
                of dropout (layers,), ``seed`` and ``step``, the number of the first batch, ``clip``, the
                largest norm of a gradient, and the columns' ``mean`` and ``deviation`` (inputs,).

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
            x, y = shape.scaled(batches, i, given)

            def loss(forecast: Any) -> Any:
                function = loss_function(shape.loss, shape.quantile)
                total = shape.sums(function, forecast - y, shape.real(batches, i))
                return total / ops.cast(batches["valid"][i], "float32")

            value, gradient = shape.network.loss_and_gradient(self._backend, weights, x, dropout, loss)
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

    def prepare(self, weights: Any, given: Given) -> float:
        """Compile, unless that has been done; the seconds it took."""
        if self._ready:
            return 0.0
        began, self._ready = time.perf_counter(), True
        if not self._backend.eager:
            self(weights, self.shape.nothing(), 0, given)
        return time.perf_counter() - began

    def __call__(self, weights: Any, batches: Batches, count: int, given: Given) -> tuple[Any, Any]:
        """Evaluate the first ``count`` of some batches.

        Returns:
            Sums over the windows of loss, squared and absolute error, (3,) float64, and the largest output of
            each ReLU unit, (units of all ReLU layers,).
        """
        *sums, largest = self._run(weights, batches, np.int32(count), given)
        totals = [ops.convert_to_numpy(each).sum(dtype=np.float64) for each in sums]
        return np.array(totals), ops.convert_to_numpy(largest)

    def _functions(self) -> tuple[Callable[[Any], Any], ...]:
        return loss_function(self.shape.loss, self.shape.quantile), ops.square, ops.abs

    def _step_by_step(self, weights: Any, batches: Batches, count: Any, given: Given) -> Any:
        """Without a program: recurrences are graphs that training has made already, the rest is little."""
        network = self.shape.network
        mean, deviation, targets = given["mean"], given["deviation"], network.targets
        unflat = network.unflatten(weights)
        errors, largest = [], np.full(self._units, _LEAST)
        for x, y, valid in zip(batches["x"][:count], batches["y"], batches["valid"], strict=False):
            forecast, outputs = network.apply(self._backend, unflat, (x[:valid] - mean) / deviation)
            errors.append(ops.convert_to_numpy(forecast) - (y[:valid] - mean[:targets]) / deviation[:targets])
            if self._relus:
                relus = [ops.convert_to_numpy(outputs[i]) for i in self._relus]
                units = [each.reshape(-1, each.shape[-1]).max(0) for each in relus]
                largest = np.maximum(largest, np.concatenate(units))
        error = np.concatenate(errors)
        return *(ops.mean(function(error), axis=(1, 2)) for function in self._functions()), largest

    def _program(self, weights: Any, batches: Batches, count: Any, given: Given) -> Any:
        shape, functions = self.shape, self._functions()
        unflat = shape.network.unflatten(weights)

        def body(carry: Arrays, index: Arrays) -> tuple[Arrays, Arrays]:
            x, y = shape.scaled(batches, index[0], given)
            forecast, outputs = shape.network.apply(self._backend, unflat, x)
            real = shape.real(batches, index[0])
            sums = tuple(shape.sums(function, forecast - y, real) for function in functions)
            if not self._relus:
                return carry, sums
            largest = [_largest(outputs[i], real) for i in self._relus]
            return (ops.maximum(carry[0], ops.concatenate(largest)),), sums

        begin = (ops.full((self._units,), _LEAST, dtype="float32"),)
        (largest,), sums = self._backend.loop(count, shape.capacity, body, begin, 3)
        return *sums, largest


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
