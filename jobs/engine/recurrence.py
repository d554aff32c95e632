"""A recurrent layer over a window: a cell's steps forwards, and backwards for its gradients."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from keras import ops

from jobs.engine.backend import Arrays, Backend
from jobs.engine.cells import Cell


@lru_cache(64)
def recurrence(cell: Cell, backend: Backend, *, last: bool) -> Callable[..., Any]:
    """A function of the projected inputs (steps, B, G·U) and the cell's other weights.

    It gives the outputs of all steps (steps, B, U), or with ``last`` the last step's alone (B, U).  Its
    gradient is the cell's own; both ways are traced once for all programs that hold such a layer.
    """
    forward = _shared_forward(cell, backend)  # one for both, whatever ``last`` says
    backward = backend.shared(lambda g, *arrays: _backward(cell, backend, g, arrays, last=last))

    def run(x: Any, *rest: Any) -> Any:
        saved = forward(x, *rest)
        return (saved[0][-1] if last else saved[0]), lambda g: backward(g, *saved, *rest)

    return ops.custom_gradient(run)


@lru_cache(64)
def _shared_forward(cell: Cell, backend: Backend) -> Callable[..., Arrays]:
    return backend.shared(lambda x, *rest: _forward(cell, backend, x, rest))


def _start(cell: Cell, like: Any) -> Arrays:
    """Zeros to begin with, for the batch of (steps, B, columns)."""
    return tuple(ops.zeros_like(like[0, :, : cell.units]) for _ in range(cell.carries))


def _forward(cell: Cell, backend: Backend, x: Any, rest: Arrays) -> Arrays:
    def step(carry: Arrays, at: Arrays) -> tuple[Arrays, Arrays]:
        return cell.forward(carry, at[0], rest)

    return backend.scan(step, _start(cell, x), (x,), prepare=None, results=cell.saves, reverse=False)


def _backward(cell: Cell, backend: Backend, g: Any, arrays: Arrays, *, last: bool) -> Arrays:
    saved, rest = arrays[: cell.saves], arrays[cell.saves :]
    turned = cell.turned(rest)
    dh, *others = _start(cell, saved[0])

    def prepare(*xs: Any) -> Arrays:
        return cell.prepare(*xs) if last else (xs[0], *cell.prepare(*xs[1:]))

    def step(carry: Arrays, prepared: Arrays) -> tuple[Arrays, Arrays]:
        if last:
            return cell.backward(carry, prepared, turned)
        return cell.backward((carry[0] + prepared[0], *carry[1:]), prepared[1:], turned)

    begin, xs = ((g, *others), ()) if last else ((dh, *others), (g,))
    deltas = backend.scan(
        step, begin, (*xs, *cell.inputs(saved)), prepare=prepare, results=cell.deltas, reverse=True
    )
    outer, inner = cell.gradients(saved, deltas)
    return (outer, *inner)
