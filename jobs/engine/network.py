"""A stack of recurrences with a dense head, as a function of one flat vector of weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from keras import ops

from jobs.engine.backend import Backend, split
from jobs.engine.cell import Cell
from jobs.engine.cells import make_cell
from jobs.engine.head import Head
from jobs.engine.initial import Flat, initial_weights
from jobs.engine.recurrence import recurrence
from jobs.engine.window import Level, Normalise, Window, normalised
from jobs.params import NetworkParams

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
        known: columns of what is known of the steps to forecast.
        normalise, own: how each window's first ``own`` columns are put on its own level, see ``normalised``.
        sequence: every step of the lookback forecasts in training, not the last alone.
        padded: windows may have fewer steps than the lookback.
        dtype: what it computes in; weights, inputs and forecasts are float32.
    """

    params: NetworkParams
    lookback: int
    inputs: int
    horizon: int
    targets: int
    known: int = 0
    normalise: Normalise = "none"
    own: int = 0
    sequence: bool = False
    padded: bool = False
    dtype: str = "float32"

    @property
    def head(self) -> Head:
        """What follows the last layer."""
        params = self.params
        return Head(params.layers[-1].units, self.horizon, self.targets, self.known, params.output_activation)

    def shapes(self) -> list[tuple[int, ...]]:
        """Of each layer its kernel, recurrent kernel and bias; those of the head."""
        return [*self._recurrent_shapes(), *self.head.shapes()]

    def _recurrent_shapes(self) -> list[tuple[int, ...]]:
        shapes: list[tuple[int, ...]] = []
        width = self.inputs
        for layer in self.params.layers:
            gates = _GATES[layer.cell] * layer.units
            bias = (2, gates) if layer.cell == "gru" and self.params.reset_after else (gates,)
            shapes += [(width, gates), (layer.units, gates), bias]
            width = layer.units
        return shapes

    @property
    def size(self) -> int:
        """The number of weights."""
        return sum(math.prod(shape) for shape in self.shapes())

    def initial(self, seed: int) -> Flat:
        """Weights to begin with, (size,)."""
        return initial_weights(self.params, self._recurrent_shapes(), self.head, seed)

    def unflatten(self, flat: Any) -> list[Any]:
        """The weights in their shapes and in what the network computes in, of a flat vector (size,)."""
        shapes = self.shapes()
        cut = split(ops.cast(flat, self.dtype), *map(math.prod, shapes))
        return [ops.reshape(weight, shape) for weight, shape in zip(cut, shapes, strict=True)]

    def apply(self, backend: Backend, weights: list[Any], window: Window) -> tuple[Any, list[Any]]:
        """Forecast from scaled windows, without dropout.

        Args:
            backend: what it is traced for.
            weights: see ``unflatten``.
            window: scaled.

        Returns:
            Scaled forecasts of each window's last step, (batch, horizon, targets), and each layer's outputs:
            (lookback, batch, units), of the last layer the last step's only, (batch, units).
        """
        x, level = self._input(window)
        outputs = []
        for index, cell in enumerate(self._cells()):
            projected, *rest = self._project(backend, index, None, x, *weights[3 * index : 3 * index + 3])
            x = recurrence(cell, backend).outputs(projected, *rest)[0]
            outputs.append(x)
        outputs[-1] = self._last_step(x, window)
        return self._from_last(outputs[-1], window, level, weights), outputs

    def _from_last(self, state: Any, window: Window, level: Level | None, weights: list[Any]) -> Any:
        """The forecast of the last layer's last steps, (batch, units)."""
        forecast = self.head(state, window.ahead, weights[3 * len(self.params.layers) :])
        return forecast if level is None else level.back(forecast)

    def loss_and_gradient(
        self,
        backend: Backend,
        flat: Any,
        window: Window,
        dropout: Dropout | None,
        loss: Callable[[Any], Any],
    ) -> tuple[Any, Any]:
        """A loss of the forecast, and its gradient.

        The recurrences' gradients are our own, and are chained here with the backend's of what lies between
        them.  (TensorFlow's way to give a function its own gradient keeps every trace of it for ever.)

        Args:
            backend: what it is traced for.
            flat: weights, (size,).
            window: scaled.
            dropout: of the layers that have any.
            loss: scaled forecasts to a scalar: (batch, horizon, targets), or, where every step forecasts,
                (batch, lookback, horizon, targets).

        Returns:
            The loss, and its gradient (size,).
        """
        weights = self.unflatten(flat)
        weights, head = weights[: 3 * len(self.params.layers)], weights[3 * len(self.params.layers) :]
        x, level = self._input(window)
        way_back: list[Callable[[Any], list[Any]]] = []
        for index, cell in enumerate(self._cells()):
            project = partial(self._project, backend, index, dropout)
            own = weights[3 * index : 3 * index + 3]
            (projected, *rest), pull = backend.pullback(project, x, *own)
            last = self._is_last(index) and not self._needs_all
            runs = recurrence(cell, backend, last=last)
            saved = runs.forward(projected, *rest)
            way_back.append(partial(_back, pull, partial(runs.backward, saved=saved, rest=rest)))
            x = saved[0][-1] if last else saved[0]

        def end(x: Any, *head: Any) -> tuple[Any]:
            return (loss(self._output(backend, dropout, window, level, x, list(head))),)

        (value,), pull = backend.pullback(end, x, *head)
        g, *found = pull((ops.ones_like(value),))
        for back in reversed(way_back):
            g, *own = back(g)
            found = [*own, *found]
        return value, ops.concatenate([ops.reshape(ops.cast(each, "float32"), (-1,)) for each in found])

    @property
    def _needs_all(self) -> bool:
        """Whether the loss needs other steps of the last layer than its last."""
        return self.sequence or self.padded

    def _is_last(self, index: int) -> bool:
        return index == len(self.params.layers) - 1

    def _cells(self) -> Iterator[Cell]:
        for layer in self.params.layers:
            yield make_cell(layer.cell, layer.units, layer.activation, reset_after=self.params.reset_after)

    def _input(self, window: Window) -> tuple[Any, Level | None]:
        """The first layer's input (lookback, batch, inputs), and the windows' own level."""
        x, level = normalised(window, self.normalise, self.own)
        return ops.transpose(ops.cast(x, self.dtype), (1, 0, 2)), level

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

    def _last_step(self, outputs: Any, window: Window) -> Any:
        """Of a layer's outputs (lookback, batch, units) each window's last."""
        if not self.padded:
            return outputs[-1]
        is_last = ops.expand_dims(ops.arange(self.lookback), 1) == ops.expand_dims(window.length - 1, 0)
        return ops.sum(outputs * ops.cast(ops.expand_dims(is_last, -1), outputs.dtype), axis=0)

    def _output(
        self,
        backend: Backend,
        dropout: Dropout | None,
        window: Window,
        level: Level | None,
        x: Any,
        head: list[Any],
    ) -> Any:
        """Forecasts of the last layer's outputs: see ``loss_and_gradient``."""
        if self.padded and not self.sequence:
            x = self._last_step(x, window)
        x = self._dropped(backend, x, dropout, len(self.params.layers) - 1)
        if not self.sequence:
            forecast = self.head(x, window.ahead, head)
            return forecast if level is None else level.back(forecast)
        ahead = None
        if window.ahead is not None:
            ahead = ops.reshape(
                ops.transpose(self.unfold(window.ahead), (1, 0, 2, 3)), (-1, self.horizon, self.known)
            )
        forecast = self.head(ops.reshape(x, (-1, x.shape[-1])), ahead, head)
        forecast = ops.reshape(forecast, (self.lookback, -1, self.horizon, self.targets))
        return ops.transpose(forecast, (1, 0, 2, 3))

    def unfold(self, steps: Any) -> Any:
        """What follows each step of the lookback: (batch, lookback + horizon - 1, columns), from the second
        step on, to (batch, lookback, horizon, columns).
        """  # noqa: D205
        index = [[begin + step for step in range(self.horizon)] for begin in range(self.lookback)]
        return ops.take(steps, index, axis=1)

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
