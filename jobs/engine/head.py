"""What makes forecasts of the last layer's state: a dense layer, and what is known ahead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
from keras import ops


@dataclass(frozen=True)
class Head:
    """A dense layer that gives the whole horizon in one go.

    Where covariates are known ahead, each step's are seen together with the state by a small network that all
    steps share, and what it says is added: the local decoder of MQ-RNN (Wen et al. 2017, arXiv:1711.11053).

    Attributes:
        width: units of the last layer.
        horizon, targets: steps and columns of a forecast.
        known: columns that are known ahead.
        activation: of the forecast.
    """

    width: int
    horizon: int
    targets: int
    known: int
    activation: str

    def shapes(self) -> list[tuple[int, ...]]:
        """The dense layer's kernel and bias; of the local decoder the state's kernel and bias, the
        covariates' kernel, and its output's kernel.
        """  # noqa: D205
        size = self.horizon * self.targets
        dense: list[tuple[int, ...]] = [(self.width, size), (size,)]
        if not self.known:
            return dense
        local = [(self.width, self.width), (self.width,), (self.known, self.width)]
        return [*dense, *local, (self.width, self.targets)]

    def __call__(self, x: Any, ahead: Any | None, weights: list[Any]) -> Any:
        """Forecasts (N, horizon, targets) in float32 from states (N, width) and what is known ahead.

        ``ahead`` is (N, horizon, known), or None where nothing is.
        """
        kernel, bias, *local = weights
        found = ops.reshape(ops.matmul(x, kernel) + bias, (-1, self.horizon, self.targets))
        if ahead is not None:
            state, state_bias, covariates, output = local
            seen = ops.reshape(ops.cast(ahead, x.dtype), (-1, self.known))
            seen = ops.reshape(ops.matmul(seen, covariates), (-1, self.horizon, self.width))
            both = ops.relu(seen + ops.expand_dims(ops.matmul(x, state) + state_bias, 1))
            said = ops.matmul(ops.reshape(both, (-1, self.width)), output)
            found += ops.reshape(said, (-1, self.horizon, self.targets))
        return ops.cast(keras.activations.get(self.activation)(found), "float32")
