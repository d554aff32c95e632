"""What a recurrent cell is: one step of it, forwards and backwards, on inputs that are projected already.

Gates and weights are laid out as in Keras, so that the weights of a trained network are those of Keras's own
layers.  ``B`` is the batch, ``U`` the units, ``G`` the cell's gates.

The backward steps are what back-propagation through time gives (Werbos 1990), arranged so that all that does
not depend on the step after it is done by ``prepare``, elementwise, and so that the gradients of the
recurrent weights are one large product over all steps instead of one small one in each.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Protocol

from keras import ops

from jobs.engine.backend import Arrays


class Cell(Hashable, Protocol):
    """What a recurrence needs to know of its cell."""

    @property
    def units(self) -> int:
        """U."""

    @property
    def carries(self) -> int:
        """How many (B, U) arrays go from one step to the next; the first is the output."""

    @property
    def saves(self) -> int:
        """How many arrays a forward step saves."""

    @property
    def deltas(self) -> int:
        """How many arrays a backward step gives."""

    def split(self, weights: Arrays) -> tuple[Any, Any, Arrays]:
        """Keras's kernel, recurrent kernel and bias: as what projects inputs (kernel, bias), and the rest."""

    def forward(self, carry: Arrays, x: Any, rest: Arrays) -> tuple[Arrays, Arrays]:
        """One step from projected inputs ``x`` (B, G·U); also what the way back needs, the output first."""

    def inputs(self, saved: Arrays) -> Arrays:
        """Of the saved arrays of all steps, those that ``prepare`` takes, step by step."""

    def prepare(self, *arrays: Any) -> Arrays:
        """What ``backward`` multiplies with, elementwise; for one step or for all at once."""

    def turned(self, rest: Arrays) -> Arrays:
        """The recurrent weights as ``backward`` takes them: transposed, once for all steps."""

    def backward(self, carry: Arrays, prepared: Arrays, turned: Arrays) -> tuple[Arrays, Arrays]:
        """One step back: gradients of the carry before it, and the step's deltas."""

    def gradients(self, saved: Arrays, deltas: Arrays) -> tuple[Any, Arrays]:
        """Gradients of the projected inputs and of the rest of the weights, from all steps' deltas."""


def before(states: Any) -> Any:
    """The state that each step began with: (steps, B, U), zeros first."""
    return ops.concatenate([ops.zeros_like(states[:1]), states[:-1]], axis=0)


def product(left: Any, right: Any) -> Any:
    """Sum over steps and batch of the outer products: (T, B, m) and (T, B, n) to (m, n)."""
    return ops.matmul(
        ops.transpose(ops.reshape(left, (-1, left.shape[-1]))), ops.reshape(right, (-1, right.shape[-1]))
    )
