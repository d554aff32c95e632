"""Activation functions with their slopes, for the cells' backward steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

Function = Callable[[Any], Any]


@dataclass(frozen=True)
class Activation:
    """An elementwise function and its derivative.

    Attributes:
        name: Keras's name of it.
        slope: the derivative, as a function of the *code*.
        of_input: the code is the function's input; otherwise it is its output, which a cell has anyway.
    """

    name: str
    slope: Function
    of_input: bool = False

    def __call__(self, value: Any) -> Any:
        """The function's value."""
        return keras.activations.get(self.name)(value)

    def code(self, value: Any, result: Any) -> Any:
        """What a forward step keeps for ``decode``."""
        return value if self.of_input else result

    def decode(self, code: Any) -> tuple[Any, Any]:
        """The function's value and slope."""
        return (self(code) if self.of_input else code), self.slope(code)


_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772  # Klambauer et al. 2017, arXiv:1706.02515


def _positive(value: Any) -> Any:
    return ops.cast(value > 0, value.dtype)


def _selu_slope(result: Any) -> Any:
    return ops.where(result > 0, _SELU_SCALE, result + _SELU_SCALE * _SELU_ALPHA)


def _gelu_slope(value: Any) -> Any:
    density = ops.exp(-0.5 * value * value) * 0.3989422804014327
    return 0.5 * (1 + ops.erf(value * 0.7071067811865476)) + value * density


def _silu_slope(value: Any) -> Any:
    gate = ops.sigmoid(value)
    return gate * (1 + value * (1 - gate))


ACTIVATIONS = {
    activation.name: activation
    for activation in (
        Activation("tanh", lambda y: 1 - y * y),
        Activation("sigmoid", lambda y: y * (1 - y)),
        Activation("relu", _positive),
        Activation("linear", ops.ones_like),
        Activation("elu", lambda y: ops.where(y > 0, 1.0, y + 1)),
        Activation("selu", _selu_slope),
        Activation("softplus", lambda y: 1 - ops.exp(-y)),
        Activation("softsign", lambda y: ops.square(1 - ops.abs(y))),
        Activation(
            "hard_sigmoid", lambda y: ops.where(ops.logical_and(y > 0, y < 1), 1 / 6, ops.zeros_like(y))
        ),
        Activation("gelu", _gelu_slope, of_input=True),
        Activation("silu", _silu_slope, of_input=True),
    )
}
