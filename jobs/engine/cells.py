"""One step of each recurrent cell, forwards and backwards, on inputs that are projected already.

Gates and weights are laid out as in Keras, so that the weights of a trained network are those of Keras's own
layers.  ``B`` is the batch, ``U`` the units, ``G`` the cell's gates.

The backward steps are what back-propagation through time gives (Werbos 1990), arranged so that all that does
not depend on the step after it is done by ``prepare``, elementwise, and so that the gradients of the
recurrent weights are one large product over all steps instead of one small one in each.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Protocol

from keras import ops

from jobs.engine.activations import ACTIVATIONS, Activation
from jobs.engine.backend import split

Arrays = tuple[Any, ...]


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


def _product(left: Any, right: Any) -> Any:
    """Sum over steps and batch of the outer products: (T, B, m) and (T, B, n) to (m, n)."""
    return ops.matmul(
        ops.transpose(ops.reshape(left, (-1, left.shape[-1]))), ops.reshape(right, (-1, right.shape[-1]))
    )


@dataclass(frozen=True)
class SimpleRnn:
    """h' = a(x + h R), Elman 1990."""

    units: int
    activation: Activation
    carries, deltas = 1, 1

    @property
    def saves(self) -> int:  # noqa: D102 - see Cell, here and below
        return 2 if self.activation.of_input else 1

    def split(self, weights: Arrays) -> tuple[Any, Any, Arrays]:  # noqa: D102
        kernel, recurrent, bias = weights
        return kernel, bias, (recurrent,)

    def forward(self, carry: Arrays, x: Any, rest: Arrays) -> tuple[Arrays, Arrays]:  # noqa: D102
        value = x + ops.matmul(carry[0], rest[0])
        h = self.activation(value)
        return (h,), ((h, value) if self.activation.of_input else (h,))

    def inputs(self, saved: Arrays) -> Arrays:  # noqa: D102
        return saved[-1:]

    def prepare(self, *arrays: Any) -> Arrays:  # noqa: D102
        return (self.activation.decode(arrays[0])[1],)

    def turned(self, rest: Arrays) -> Arrays:  # noqa: D102
        return (ops.transpose(rest[0]),)

    def backward(self, carry: Arrays, prepared: Arrays, turned: Arrays) -> tuple[Arrays, Arrays]:  # noqa: D102
        delta = carry[0] * prepared[0]
        return (ops.matmul(delta, turned[0]),), (delta,)

    def gradients(self, saved: Arrays, deltas: Arrays) -> tuple[Any, Arrays]:  # noqa: D102
        return deltas[0], (_product(before(saved[0]), deltas[0]),)


@dataclass(frozen=True)
class Lstm:
    """i, f, o = sigmoid(…), g = a(…), c' = f c + i g, h' = o a(c'): Gers et al. 2000."""

    units: int
    activation: Activation
    carries, saves, deltas = 2, 5, 1

    def split(self, weights: Arrays) -> tuple[Any, Any, Arrays]:  # noqa: D102
        kernel, recurrent, bias = weights
        return kernel, bias, (recurrent,)

    def forward(self, carry: Arrays, x: Any, rest: Arrays) -> tuple[Arrays, Arrays]:  # noqa: D102
        u = self.units
        value_if, value_g, value_o = split(x + ops.matmul(carry[0], rest[0]), 2 * u, u, u)
        gates, o = ops.sigmoid(value_if), ops.sigmoid(value_o)
        i, f = split(gates, self.units, self.units)
        g = self.activation(value_g)
        c = f * carry[1] + i * g
        h = o * self.activation(c)
        return (h, c), (h, gates, o, self.activation.code(value_g, g), c)

    def inputs(self, saved: Arrays) -> Arrays:  # noqa: D102
        return (*saved[1:], before(saved[4]))

    def prepare(self, *arrays: Any) -> Arrays:  # noqa: D102
        gates, o, code, c, c_before = arrays
        i, f = split(gates, self.units, self.units)
        g, slope_g = self.activation.decode(code)
        y = self.activation(c)
        slope_c = self.activation.slope(self.activation.code(c, y))
        factors = (g * i * (1 - i), c_before * f * (1 - f), i * slope_g, y * o * (1 - o))
        return ops.concatenate(factors, axis=-1), o * slope_c, f

    def turned(self, rest: Arrays) -> Arrays:  # noqa: D102
        return (ops.transpose(rest[0]),)

    def backward(self, carry: Arrays, prepared: Arrays, turned: Arrays) -> tuple[Arrays, Arrays]:  # noqa: D102
        factors, through, f = prepared
        dh, dc = carry
        dc = dc + dh * through
        delta = ops.concatenate([dc, dc, dc, dh], axis=-1) * factors
        return (ops.matmul(delta, turned[0]), dc * f), (delta,)

    def gradients(self, saved: Arrays, deltas: Arrays) -> tuple[Any, Arrays]:  # noqa: D102
        return deltas[0], (_product(before(saved[0]), deltas[0]),)


@dataclass(frozen=True)
class GruAfter:
    """z, r = sigmoid(…), g = a(x_g + r (h R_g + b)), h' = z h + (1 - z) g: ``reset_after``, as in cuDNN."""

    units: int
    activation: Activation
    carries, saves, deltas = 1, 4, 1

    def split(self, weights: Arrays) -> tuple[Any, Any, Arrays]:  # noqa: D102
        kernel, recurrent, bias = weights
        u = 2 * self.units
        outer = ops.concatenate([bias[0, :u] + bias[1, :u], bias[0, u:]], axis=0)
        return kernel, outer, (recurrent, bias[1, u:])

    def forward(self, carry: Arrays, x: Any, rest: Arrays) -> tuple[Arrays, Arrays]:  # noqa: D102
        (h,), (recurrent, bias) = carry, rest
        x_zr, x_g = split(x, 2 * self.units, self.units)
        h_zr, h_g = split(ops.matmul(h, recurrent), 2 * self.units, self.units)
        zr, h_g = ops.sigmoid(x_zr + h_zr), h_g + bias
        z, r = split(zr, self.units, self.units)
        value = x_g + r * h_g
        g = self.activation(value)
        h = g + z * (h - g)
        return (h,), (h, zr, h_g, self.activation.code(value, g))

    def inputs(self, saved: Arrays) -> Arrays:  # noqa: D102
        return (before(saved[0]), *saved[1:])

    def prepare(self, *arrays: Any) -> Arrays:  # noqa: D102
        h_before, zr, h_g, code = arrays
        z, r = split(zr, self.units, self.units)
        g, slope = self.activation.decode(code)
        into_g = (1 - z) * slope
        factors = ((h_before - g) * z * (1 - z), into_g * h_g * r * (1 - r), into_g * r, into_g)
        return ops.concatenate(factors, axis=-1), z

    def turned(self, rest: Arrays) -> Arrays:  # noqa: D102
        return (ops.transpose(rest[0]),)

    def backward(self, carry: Arrays, prepared: Arrays, turned: Arrays) -> tuple[Arrays, Arrays]:  # noqa: D102
        (dh,), (factors, z) = carry, prepared
        delta = ops.concatenate([dh, dh, dh, dh], axis=-1) * factors
        inner, _ = split(delta, 3 * self.units, self.units)
        return (dh * z + ops.matmul(inner, turned[0]),), (delta,)

    def gradients(self, saved: Arrays, deltas: Arrays) -> tuple[Any, Arrays]:  # noqa: D102
        u, (delta,) = self.units, deltas
        outer = ops.concatenate([delta[..., : 2 * u], delta[..., 3 * u :]], axis=-1)
        inner = delta[..., : 3 * u]
        return outer, (_product(before(saved[0]), inner), ops.sum(inner[..., 2 * u :], axis=(0, 1)))


@dataclass(frozen=True)
class GruBefore:
    """As ``GruAfter`` with g = a(x_g + (r h) R_g), the form of Cho et al. 2014 (arXiv:1406.1078)."""

    units: int
    activation: Activation
    carries, saves, deltas = 1, 3, 2

    def split(self, weights: Arrays) -> tuple[Any, Any, Arrays]:  # noqa: D102
        kernel, recurrent, bias = weights
        return kernel, bias, tuple(split(recurrent, 2 * self.units, self.units))

    def forward(self, carry: Arrays, x: Any, rest: Arrays) -> tuple[Arrays, Arrays]:  # noqa: D102
        (h,), (into_zr, into_g) = carry, rest
        x_zr, x_g = split(x, 2 * self.units, self.units)
        zr = ops.sigmoid(x_zr + ops.matmul(h, into_zr))
        z, r = split(zr, self.units, self.units)
        value = x_g + ops.matmul(r * h, into_g)
        g = self.activation(value)
        h = g + z * (h - g)
        return (h,), (h, zr, self.activation.code(value, g))

    def inputs(self, saved: Arrays) -> Arrays:  # noqa: D102
        return (before(saved[0]), *saved[1:])

    def prepare(self, *arrays: Any) -> Arrays:  # noqa: D102
        h_before, zr, code = arrays
        z, r = split(zr, self.units, self.units)
        g, slope = self.activation.decode(code)
        return (h_before - g) * z * (1 - z), h_before * r * (1 - r), (1 - z) * slope, z, r

    def turned(self, rest: Arrays) -> Arrays:  # noqa: D102
        return tuple(ops.transpose(recurrent) for recurrent in rest)

    def backward(self, carry: Arrays, prepared: Arrays, turned: Arrays) -> tuple[Arrays, Arrays]:  # noqa: D102
        (dh,), (factor_z, factor_r, factor_g, z, r), (into_zr, into_g) = carry, prepared, turned
        delta_g = dh * factor_g
        reset = ops.matmul(delta_g, into_g)
        delta_zr = ops.concatenate([dh * factor_z, reset * factor_r], axis=-1)
        dh = dh * z + reset * r + ops.matmul(delta_zr, into_zr)
        return (dh,), (delta_zr, delta_g)

    def gradients(self, saved: Arrays, deltas: Arrays) -> tuple[Any, Arrays]:  # noqa: D102
        h_before, (delta_zr, delta_g) = before(saved[0]), deltas
        r = saved[1][..., self.units :]
        outer = ops.concatenate([delta_zr, delta_g], axis=-1)
        return outer, (_product(h_before, delta_zr), _product(r * h_before, delta_g))


def make_cell(kind: str, units: int, activation: str, *, reset_after: bool) -> Cell:
    """The cell that a layer of a job names."""
    kinds = {"simple_rnn": SimpleRnn, "lstm": Lstm, "gru": GruAfter if reset_after else GruBefore}
    cell: Cell = kinds[kind](units, ACTIVATIONS[activation])
    return cell
