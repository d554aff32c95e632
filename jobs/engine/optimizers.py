"""Keras's optimizers with Keras's default constants, as pure functions of one flat vector.

All of them work elementwise, so one vector of all weights gives what the weights one by one would, in far
fewer kernels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keras import ops

Slots = tuple[Any, ...]
_B1, _B2, _EPSILON = 0.9, 0.999, 1e-7


@dataclass(frozen=True)
class Optimizer:
    """One update rule.

    Attributes:
        step: (gradient, slots, time) to the direction that the learning rate multiplies, and the new slots;
            ``time`` counts from 1.
        slots: what each slot, a vector like the weights, begins with.
        decay: of the weights in each step, times the learning rate.
    """

    step: Callable[[Any, Slots, Any], tuple[Any, Slots]]
    slots: tuple[float, ...] = ()
    decay: float = 0.0

    def apply(self, weights: Any, gradient: Any, state: Slots, rate: Any) -> tuple[Any, Slots]:
        """Weights and state one step later; the state's first array is the number of steps, float32."""
        time = state[0] + 1.0
        direction, slots = self.step(gradient, state[1:], time)
        if self.decay:
            weights = weights * (1 - self.decay * rate)
        return weights - rate * direction, (time, *slots)


def _moments(g: Any, m: Any, v: Any) -> tuple[Any, Any]:
    return m + (g - m) * (1 - _B1), v + (g * g - v) * (1 - _B2)


def _adam(g: Any, slots: Slots, time: Any) -> tuple[Any, Slots]:
    """Kingma & Ba 2015, arXiv:1412.6980."""
    m, v = _moments(g, *slots)
    correction = ops.sqrt(1 - _B2**time) / (1 - _B1**time)
    return correction * m / (ops.sqrt(v) + _EPSILON), (m, v)


def _adamax(g: Any, slots: Slots, time: Any) -> tuple[Any, Slots]:
    """Section 7.1 of the same."""
    m, u = slots
    m, u = m + (g - m) * (1 - _B1), ops.maximum(_B2 * u, ops.abs(g))
    return m / ((1 - _B1**time) * (u + _EPSILON)), (m, u)


def _nadam(g: Any, slots: Slots, time: Any) -> tuple[Any, Slots]:
    """Dozat 2016; the third slot is the product of the momenta so far."""
    m, v = _moments(g, *slots[:2])
    now, then = (_B1 * (1 - 0.5 * 0.96 ** (time + ahead)) for ahead in (0.0, 1.0))
    product = slots[2] * now
    ahead = then * m / (1 - product * then) + (1 - now) * g / (1 - product)
    return ahead / (ops.sqrt(v / (1 - _B2**time)) + _EPSILON), (m, v, product)


def _rmsprop(g: Any, slots: Slots, time: Any) -> tuple[Any, Slots]:
    """Tieleman & Hinton 2012, lecture 6.5."""
    del time
    v = 0.9 * slots[0] + 0.1 * g * g
    return g / ops.sqrt(v + _EPSILON), (v,)


def _adagrad(g: Any, slots: Slots, time: Any) -> tuple[Any, Slots]:
    """Duchi et al. 2011."""
    del time
    total = slots[0] + g * g
    return g / ops.sqrt(total + _EPSILON), (total,)


def _adadelta(g: Any, slots: Slots, time: Any) -> tuple[Any, Slots]:
    """Zeiler 2012, arXiv:1212.5701."""
    del time
    squares, moved = slots
    squares = 0.95 * squares + 0.05 * g * g
    direction = ops.sqrt(moved + _EPSILON) / ops.sqrt(squares + _EPSILON) * g
    return direction, (squares, 0.95 * moved + 0.05 * direction * direction)


OPTIMIZERS = {
    "adam": Optimizer(_adam, (0.0, 0.0)),
    "adamw": Optimizer(_adam, (0.0, 0.0), decay=0.004),  # Loshchilov & Hutter 2019, arXiv:1711.05101
    "adamax": Optimizer(_adamax, (0.0, 0.0)),
    "nadam": Optimizer(_nadam, (0.0, 0.0, 1.0)),
    "rmsprop": Optimizer(_rmsprop, (0.0,)),
    "sgd": Optimizer(lambda g, slots, time: (g, slots)),  # noqa: ARG005 - it needs no time
    "adagrad": Optimizer(_adagrad, (0.1,)),
    "adadelta": Optimizer(_adadelta, (0.0, 0.0)),
}
