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
from jobs.engine.window import Level, Window, normalised
from jobs.params import LayerParams

_KEPT = 64  # layers


@dataclass(frozen=True)
class KernelNetwork(Network):
    """A network that ``jobs.cudnn`` has nothing against."""

    def apply(self, backend: Backend, weights: list[Any], window: Window) -> tuple[Any, list[Any]]:
        """See ``Network``."""
        outputs, level = self._run(backend, None, weights, window)
        if self._needs_all:
            outputs[-1] = self._last_step(outputs[-1], window)
        return self._from_last(outputs[-1], window, level, weights), outputs

    def loss_and_gradient(
        self,
        backend: Backend,
        flat: Any,
        window: Window,
        dropout: Dropout | None,
        loss: Callable[[Any], Any],
    ) -> tuple[Any, Any]:
        """See ``Network``."""

        def whole(flat: Any) -> tuple[Any]:
            weights = self.unflatten(flat)
            outputs, level = self._run(backend, dropout, weights, window)
            head = weights[3 * len(self.params.layers) :]
            return (loss(self._output(backend, dropout, window, level, outputs[-1], head)),)

        (value,), pull = backend.pullback(whole, flat)
        (gradient,) = pull((ops.ones_like(value),))
        return value, gradient

    def _run(
        self, backend: Backend, dropout: Dropout | None, weights: list[Any], window: Window
    ) -> tuple[list[Any], Level | None]:
        """Each layer's outputs, as ``recurrence`` gives them, and the windows' own level.

        (lookback, batch, units); of the last layer (batch, units) where no other step of it is needed.
        """
        x, level = normalised(window, self.normalise, self.own)
        x = ops.cast(x, self.dtype)
        outputs, width = [], self.inputs
        for index, layer in enumerate(self.params.layers):
            if index:
                x = self._dropped(backend, x, dropout, index - 1)
            last = self._is_last(index) and not self._needs_all
            built = _layer(layer, width, self.dtype, last=last)
            x, _ = built.stateless_call(
                weights[3 * index : 3 * index + 3], [each.value for each in built.non_trainable_variables], x
            )
            outputs.append(x if last else ops.transpose(x, (1, 0, 2)))
            width = layer.units
        return outputs, level


@lru_cache(_KEPT)
def _layer(layer: LayerParams, width: int, dtype: str, *, last: bool) -> Any:
    """A Keras layer, built for inputs of that width; its own weights are never used."""
    kinds = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}
    zeros = {"kernel_initializer": "zeros", "recurrent_initializer": "zeros"}
    built = kinds[layer.cell](layer.units, return_sequences=not last, dtype=dtype, **zeros)
    built.build((None, None, width))
    return built
