"""A recurrent layer over a window: a cell's steps forwards, and backwards for its gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from keras import ops

from jobs.engine.backend import Arrays, Backend
from jobs.engine.cell import Cell

_KEPT = 24  # cells that a worker keeps the traces of


@dataclass(frozen=True)
class Recurrence:
    """Both ways through all steps of a window, each traced once for all programs that hold such a layer.

    Attributes:
        forward: projected inputs (steps, B, G·U) and the cell's other weights to what its steps save, the
            outputs (steps, B, U) first.
        outputs: the same, but for the outputs alone, which is all that an evaluation asks for.
        back: see ``backward``.
    """

    forward: Callable[..., Arrays]
    outputs: Callable[..., Arrays]
    back: Callable[..., Arrays]

    def backward(self, g: Any, saved: Sequence[Any], rest: Sequence[Any]) -> Arrays:
        """The gradients of ``forward``'s arguments, from that of the outputs that count."""
        return self.back(g, *saved, *rest)


@lru_cache(_KEPT)
def recurrence(cell: Cell, backend: Backend, *, last: bool = False) -> Recurrence:
    """A cell's recurrence; with ``last`` only the last step's output (B, U) counts, else all steps' do."""
    back = backend.shared(partial(_backward, cell, backend, last))
    return Recurrence(_shared_forward(cell, backend), _shared_outputs(cell, backend), back)


@lru_cache(_KEPT)
def _shared_forward(cell: Cell, backend: Backend) -> Callable[..., Arrays]:
    return backend.shared(partial(_forward, cell, backend))


@lru_cache(_KEPT)
def _shared_outputs(cell: Cell, backend: Backend) -> Callable[..., Arrays]:
    return backend.shared(partial(_outputs, cell, backend))


def _outputs(cell: Cell, backend: Backend, x: Any, *rest: Any) -> Arrays:
    def step(carry: Arrays, at: Arrays) -> tuple[Arrays, Arrays]:
        carry, saved = cell.forward(carry, at[0], rest)
        return carry, saved[:1]

    return backend.scan(step, _start(cell, x), (x,), prepare=None, results=1, reverse=False)


def _start(cell: Cell, like: Any) -> Arrays:
    """Zeros to begin with, for the batch of (steps, B, columns)."""
    return tuple(ops.zeros_like(like[0, :, : cell.units]) for _ in range(cell.carries))


def _forward(cell: Cell, backend: Backend, x: Any, *rest: Any) -> Arrays:
    def step(carry: Arrays, at: Arrays) -> tuple[Arrays, Arrays]:
        return cell.forward(carry, at[0], rest)

    return backend.scan(step, _start(cell, x), (x,), prepare=None, results=cell.saves, reverse=False)


def _backward(cell: Cell, backend: Backend, last: bool, g: Any, *arrays: Any) -> Arrays:  # noqa: FBT001
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
