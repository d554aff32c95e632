"""The recurrent cells by their names in a job; ``gru`` has the rest of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from keras import ops

from jobs.engine.activations import ACTIVATIONS, Activation
from jobs.engine.backend import Arrays, split
from jobs.engine.cell import Cell, before, product
from jobs.engine.gru import GruAfter, GruBefore


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
        return deltas[0], (product(before(saved[0]), deltas[0]),)


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
        return deltas[0], (product(before(saved[0]), deltas[0]),)


def make_cell(kind: str, units: int, activation: str, *, reset_after: bool) -> Cell:
    """The cell that a layer of a job names."""
    kinds = {"simple_rnn": SimpleRnn, "lstm": Lstm, "gru": GruAfter if reset_after else GruBefore}
    cell: Cell = kinds[kind](units, ACTIVATIONS[activation])
    return cell
