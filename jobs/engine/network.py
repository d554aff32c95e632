"""A stack of recurrences with a dense head, as a function of one flat vector of weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops

from jobs.engine.backend import Backend, split
from jobs.engine.cell import Cell
from jobs.engine.cells import make_cell
from jobs.engine.recurrence import recurrence
from jobs.params import LayerParams, NetworkParams

Flat = np.ndarray[Any, np.dtype[np.float32]]
_GATES = {"simple_rnn": 1, "lstm": 4, "gru": 3}


@dataclass(frozen=True)
class Dropout:
    """One step's dropout: the rate of each layer (layers,), and the seed of its masks, two int32."""

    rates: Any
    seed: Any


@dataclass(frozen=True)
class Network:
    """The shape of a network; its weights are Keras's, in Keras's order, one after another.

    Attributes:
        params: the stack; what rate a layer's dropout has does not matter here.
        lookback, inputs: steps and columns of a window.
        horizon, targets: steps and columns of a forecast.
        instance: each window's last step is subtracted, and the target's added back to the forecast, as in
            NLinear (Zeng et al. 2023, arXiv:2205.13504).
        dtype: what it computes in; weights, inputs and forecasts are float32.
    """

    params: NetworkParams
    lookback: int
    inputs: int
    horizon: int
    targets: int
    instance: bool
    dtype: str = "float32"

    def shapes(self) -> list[tuple[int, ...]]:
        """Of each layer its kernel, recurrent kernel and bias; of the head its kernel and bias."""
        shapes: list[tuple[int, ...]] = []
        width = self.inputs
        for layer in self.params.layers:
            gates = _GATES[layer.cell] * layer.units
            bias = (2, gates) if layer.cell == "gru" and self.params.reset_after else (gates,)
            shapes += [(width, gates), (layer.units, gates), bias]
            width = layer.units
        return [*shapes, (width, self.horizon * self.targets), (self.horizon * self.targets,)]

    @property
    def size(self) -> int:
        """The number of weights."""
        return sum(math.prod(shape) for shape in self.shapes())

    def initial(self, seed: int) -> Flat:
        """Weights to begin with, distributed as those of Keras's layers; the same on every backend."""
        draw = np.random.default_rng(seed)
        shapes = self.shapes()
        found = []
        for index, shape in enumerate(shapes):
            if index % 3 == 2 or index == len(shapes) - 1:
                layer = self.params.layers[index // 3] if index // 3 < len(self.params.layers) else None
                found.append(_bias(shape, layer))
            else:
                found.append(_orthogonal(draw, shape) if index % 3 == 1 else _glorot(draw, shape))
        return np.concatenate([np.ravel(weight) for weight in found]).astype(np.float32)

    def unflatten(self, flat: Any) -> list[Any]:
        """The weights in their shapes and in what the network computes in, of a flat vector (size,)."""
        shapes = self.shapes()
        cut = split(ops.cast(flat, self.dtype), *map(math.prod, shapes))
        return [ops.reshape(weight, shape) for weight, shape in zip(cut, shapes, strict=True)]

    def apply(self, backend: Backend, weights: list[Any], x: Any) -> tuple[Any, list[Any]]:
        """Forecast from scaled windows, without dropout.

        Args:
            backend: what it is traced for.
            weights: see ``unflatten``.
            x: scaled windows, (batch, lookback, inputs).

        Returns:
            Scaled forecasts (batch, horizon, targets), and each layer's outputs: (lookback, batch, units), of
            the last layer its last step's only, (batch, units).
        """
        x, level = self._input(x)
        outputs = []
        for index, cell in enumerate(self._cells()):
            projected, *rest = self._project(backend, index, None, x, *weights[3 * index : 3 * index + 3])
            x = self._of_interest(index, recurrence(cell, backend).outputs(projected, *rest)[0])
            outputs.append(x)
        return self._output(backend, None, level, x, *weights[-2:]), outputs

    def loss_and_gradient(
        self,
        backend: Backend,
        flat: Any,
        x: Any,
        dropout: Dropout | None,
        loss: Callable[[Any], Any],
    ) -> tuple[Any, Any]:
        """A loss of the forecast, and its gradient.

        The recurrences' gradients are our own, and are chained here with the backend's of what lies between
        them.  (TensorFlow's way to give a function its own gradient keeps every trace of it for ever.)

        Args:
            backend: what it is traced for.
            flat: weights, (size,).
            x: scaled windows, (batch, lookback, inputs).
            dropout: of the layers that have any.
            loss: scaled forecasts (batch, horizon, targets) to a scalar.

        Returns:
            The loss, and its gradient (size,).
        """
        *weights, head, bias = self.unflatten(flat)
        x, level = self._input(x)
        way_back: list[Callable[[Any], list[Any]]] = []
        for index, cell in enumerate(self._cells()):
            project = partial(self._project, backend, index, dropout)
            own = weights[3 * index : 3 * index + 3]
            (projected, *rest), pull = backend.pullback(project, x, *own)
            runs = recurrence(cell, backend, last=self._is_last(index))
            saved = runs.forward(projected, *rest)
            way_back.append(partial(_back, pull, partial(runs.backward, saved=saved, rest=rest)))
            x = self._of_interest(index, saved[0])

        def end(x: Any, head: Any, bias: Any) -> tuple[Any]:
            return (loss(self._output(backend, dropout, level, x, head, bias)),)

        (value,), pull = backend.pullback(end, x, head, bias)
        g, *found = pull((ops.ones_like(value),))
        for back in reversed(way_back):
            g, *own = back(g)
            found = [*own, *found]
        return value, ops.concatenate([ops.reshape(ops.cast(each, "float32"), (-1,)) for each in found])

    def _is_last(self, index: int) -> bool:
        return index == len(self.params.layers) - 1

    def _of_interest(self, index: int, outputs: Any) -> Any:
        return outputs[-1] if self._is_last(index) else outputs

    def _cells(self) -> Iterator[Cell]:
        for layer in self.params.layers:
            yield make_cell(layer.cell, layer.units, layer.activation, reset_after=self.params.reset_after)

    def _input(self, x: Any) -> tuple[Any, Any]:
        """The first layer's input (lookback, batch, inputs), and the window's last step."""
        level = x[:, -1:, :]
        x = ops.cast(x - level if self.instance else x, self.dtype)
        return ops.transpose(x, (1, 0, 2)), level

    def _project(
        self, backend: Backend, index: int, dropout: Dropout | None, x: Any, *weights: Any
    ) -> tuple[Any, ...]:
        """A layer's inputs, projected for all steps in one product and not in one for each; other weights."""
        kernel, bias, rest = list(self._cells())[index].split(weights)
        if index:
            x = self._dropped(backend, x, dropout, index - 1)
        steps, batch, width = x.shape
        projected = ops.matmul(ops.reshape(x, (-1, width)), kernel) + bias
        return ops.reshape(projected, (steps, batch, kernel.shape[1])), *rest

    def _output(
        self, backend: Backend, dropout: Dropout | None, level: Any, x: Any, head: Any, bias: Any
    ) -> Any:
        x = self._dropped(backend, x, dropout, len(self.params.layers) - 1)
        x = ops.matmul(x, head) + bias
        x = ops.cast(keras.activations.get(self.params.output_activation)(x), "float32")
        x = ops.reshape(x, (-1, self.horizon, self.targets))
        return x + level[:, :, : self.targets] if self.instance else x

    def _dropped(self, backend: Backend, x: Any, dropout: Dropout | None, index: int) -> Any:
        """Inverted dropout (Srivastava et al. 2014): what is kept is scaled up."""
        if dropout is None or not self.params.layers[index].dropout:
            return x
        rate = ops.cast(dropout.rates[index], x.dtype)
        seed = ops.stack([dropout.seed[0], dropout.seed[1] * 1021 + index])
        kept = ops.cast(ops.cast(backend.uniform(tuple(x.shape), seed), x.dtype) >= rate, x.dtype)
        return x * kept / (1 - rate)


def _back(pull: Callable[[Any], Any], backward: Callable[[Any], tuple[Any, ...]], g: Any) -> list[Any]:
    """From the gradient of a layer's outputs to those of its inputs and of its weights."""
    return list(pull(backward(g)))


def _glorot(draw: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Uniform, as wide as the sum of inputs and outputs asks (Glorot & Bengio 2010)."""
    bound = math.sqrt(6 / sum(shape))
    return draw.uniform(-bound, bound, shape)


def _orthogonal(draw: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Orthonormal rows, there are never more of them than columns (Saxe et al. 2014, arXiv:1312.6120)."""
    q, r = np.linalg.qr(draw.normal(size=shape[::-1]))
    return (q * np.sign(np.diag(r))).T


def _bias(shape: tuple[int, ...], layer: LayerParams | None) -> Flat:
    """Zeros, but ones for an LSTM's forget gate (Jozefowicz et al. 2015)."""
    bias = np.zeros(shape, np.float32)
    if layer is not None and layer.cell == "lstm":
        bias[layer.units : 2 * layer.units] = 1
    return bias
