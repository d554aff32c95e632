"""Weights to begin with, distributed as those of Keras's layers; the same on every backend."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jobs.engine.head import Head
from jobs.params import NetworkParams

Flat = np.ndarray[Any, np.dtype[np.float32]]


def initial_weights(params: NetworkParams, recurrent: list[tuple[int, ...]], head: Head, seed: int) -> Flat:
    """One after another: of each layer kernel, recurrent kernel and bias of these shapes; then the head's."""
    draw = np.random.default_rng(seed)
    found: list[np.ndarray[Any, Any]] = []
    for index, layer in enumerate(params.layers):
        kernel, square, bias = recurrent[3 * index : 3 * index + 3]
        zeros = np.zeros(bias)
        if layer.cell == "lstm":  # ones for the forget gate (Jozefowicz et al. 2015)
            zeros[layer.units : 2 * layer.units] = 1
        found += [_glorot(draw, kernel), _orthogonal(draw, square), zeros]
    found += [np.zeros(shape) if len(shape) == 1 else _glorot(draw, shape) for shape in head.shapes()]
    return np.concatenate([np.ravel(weight) for weight in found]).astype(np.float32)


def _glorot(draw: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Uniform, as wide as the sum of inputs and outputs asks (Glorot & Bengio 2010)."""
    bound = math.sqrt(6 / sum(shape))
    return draw.uniform(-bound, bound, shape)


def _orthogonal(draw: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Orthonormal rows, there are never more of them than columns (Saxe et al. 2014, arXiv:1312.6120)."""
    q, r = np.linalg.qr(draw.normal(size=shape[::-1]))
    return (q * np.sign(np.diag(r))).T
