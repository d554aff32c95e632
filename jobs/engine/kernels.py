"""The same networks of Keras's own layers, for which a GPU has kernels of a whole recurrence (cuDNN).

A recurrence of our own is a loop of small products, each of them a launch; on a GPU launching costs more than
computing.  On a CPU Keras runs a loop too, a slower one than ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import keras
from keras import ops

from jobs.engine.backend import Backend
from jobs.engine.network import Dropout, Network
from jobs.params import LayerParams

_KEPT = 64  # layers


@dataclass(frozen=True)
class KernelNetwork(Network):
    """A network that ``jobs.cudnn`` has nothing against."""

    def apply(self, backend: Backend, weights: list[Any], x: Any) -> tuple[Any, list[Any]]:
        """See ``Network``."""
        forecast, outputs = self._run(backend, None, weights, x)
        return forecast, [ops.transpose(each, (1, 0, 2)) for each in outputs[:-1]] + outputs[-1:]

    def loss_and_gradient(
        self, backend: Backend, flat: Any, x: Any, dropout: Dropout | None, loss: Callable[[Any], Any]
    ) -> tuple[Any, Any]:
        """See ``Network``."""

        def whole(flat: Any) -> tuple[Any]:
            return (loss(self._run(backend, dropout, self.unflatten(flat), x)[0]),)

        (value,), pull = backend.pullback(whole, flat)
        (gradient,) = pull((ops.ones_like(value),))
        return value, gradient

    def _run(
        self, backend: Backend, dropout: Dropout | None, weights: list[Any], x: Any
    ) -> tuple[Any, list[Any]]:
        """The forecast, and each layer's outputs: (batch, lookback, units), of the last (batch, units)."""
        level = x[:, -1:, :]
        x = ops.cast(x - level if self.instance else x, self.dtype)
        outputs, width = [], self.inputs
        for index, layer in enumerate(self.params.layers):
            if index:
                x = self._dropped(backend, x, dropout, index - 1)
            built = _layer(layer, width, self.dtype, last=index == len(self.params.layers) - 1)
            x, _ = built.stateless_call(
                weights[3 * index : 3 * index + 3], [each.value for each in built.non_trainable_variables], x
            )
            outputs.append(x)
            width = layer.units
        return self._output(backend, dropout, level, x, *weights[-2:]), outputs


@lru_cache(_KEPT)
def _layer(layer: LayerParams, width: int, dtype: str, *, last: bool) -> Any:
    """A Keras layer, built for inputs of that width; its own weights are never used."""
    kinds = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}
    zeros = {"kernel_initializer": "zeros", "recurrent_initializer": "zeros"}
    built = kinds[layer.cell](layer.units, return_sequences=not last, dtype=dtype, **zeros)
    built.build((None, None, width))
    return built
