"""The two forms of the gated recurrent unit, see ``cell``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from keras import ops

from jobs.engine.activations import Activation
from jobs.engine.backend import Arrays, split
from jobs.engine.cell import before, product


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
        return outer, (product(before(saved[0]), inner), ops.sum(inner[..., 2 * u :], axis=(0, 1)))


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
        return outer, (product(h_before, delta_zr), product(r * h_before, delta_g))
