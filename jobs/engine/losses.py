"""Losses and metrics of single steps of a forecast; errors are forecast minus actual."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import ops


def _huber(error: Any) -> Any:
    size = ops.abs(error)
    return ops.where(size <= 1, 0.5 * error * error, size - 0.5)


def loss_function(name: str, quantile: float) -> Callable[[Any], Any]:
    """The elementwise loss of that name.

    ``huber`` has its corner at 1; ``quantile`` is the pinball loss (Koenker & Bassett 1978) at ``quantile``.
    """
    losses: dict[str, Callable[[Any], Any]] = {
        "mse": ops.square,
        "mae": ops.abs,
        "huber": _huber,
        "quantile": lambda error: ops.maximum(-quantile * error, (1 - quantile) * error),
    }
    return losses[name]
