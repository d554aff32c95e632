"""The textbook equations of the recurrent cells and activations, in plain NumPy; shares no code with Keras.

- SimpleRNN: J. L. Elman, "Finding structure in time", Cognitive Science 14 (1990).
- LSTM: S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9 (1997), with the
  forget gate of F. A. Gers, J. Schmidhuber and F. Cummins, "Learning to forget: continual prediction with
  LSTM", Neural Computation 12 (2000), and no peepholes.
- GRU: K. Cho et al., "Learning phrase representations using RNN encoder-decoder", EMNLP 2014
  (arXiv:1406.1078v3), equations 5 to 8.  The variant that applies the reset gate after the recurrent product
  is arXiv:1406.1078v1 and cuDNN's.

Each takes one sequence (steps, features) and a Keras layer's weights, and gives every hidden state.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]
Function = Callable[[Array], Array]

SCALE, ALPHA = 1.0507009873554805, 1.6732632423543772  # of selu: Klambauer et al. 2017, arXiv:1706.02515


def sigmoid(x: Array) -> Array:
    """The gates' own activation."""
    return 1 / (1 + np.exp(-x))


ACTIVATIONS: dict[str, Function] = {
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": sigmoid,
    "linear": lambda x: x,
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "selu": lambda x: SCALE * np.where(x > 0, x, ALPHA * np.expm1(x)),
    "gelu": lambda x: x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2,
    "silu": lambda x: x * sigmoid(x),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "hard_sigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
}


def simple_rnn(x: Array, weights: list[Array], g: Function) -> Array:
    """Elman: h_t = g(W x_t + U h_{t-1} + b)."""
    w, u, b = weights
    h, states = np.zeros(u.shape[0]), []
    for x_t in x:
        h = g(x_t @ w + h @ u + b)
        states.append(h)
    return np.array(states)


def lstm(x: Array, weights: list[Array], g: Function) -> Array:
    """Gates i, f, o; c_t = f c_{t-1} + i g(...); h_t = o g(c_t).  Keras stores the blocks as i, f, c, o."""
    (w_i, w_f, w_c, w_o), (u_i, u_f, u_c, u_o), (b_i, b_f, b_c, b_o) = (np.split(a, 4, -1) for a in weights)
    h = c = np.zeros(u_i.shape[0])
    states = []
    for x_t in x:
        i = sigmoid(x_t @ w_i + h @ u_i + b_i)
        f = sigmoid(x_t @ w_f + h @ u_f + b_f)
        o = sigmoid(x_t @ w_o + h @ u_o + b_o)
        c = f * c + i * g(x_t @ w_c + h @ u_c + b_c)
        h = o * g(c)
        states.append(h)
    return np.array(states)


def gru_reset_before(x: Array, weights: list[Array], g: Function) -> Array:
    """Cho et al.: candidate g(W x + U (r h) + b); h_t = z h_{t-1} + (1 - z) candidate.  Blocks z, r, h."""
    (w_z, w_r, w_h), (u_z, u_r, u_h), (b_z, b_r, b_h) = (np.split(a, 3, -1) for a in weights)
    h, states = np.zeros(u_z.shape[0]), []
    for x_t in x:
        z = sigmoid(x_t @ w_z + h @ u_z + b_z)
        r = sigmoid(x_t @ w_r + h @ u_r + b_r)
        h = z * h + (1 - z) * g(x_t @ w_h + (r * h) @ u_h + b_h)
        states.append(h)
    return np.array(states)


def gru_reset_after(x: Array, weights: list[Array], g: Function) -> Array:
    """The form of cuDNN: candidate g(W x + b + r (U h + d)), its recurrent products with biases d."""
    (w_z, w_r, w_h), (u_z, u_r, u_h) = (np.split(a, 3, -1) for a in weights[:2])
    (b_z, b_r, b_h), (d_z, d_r, d_h) = (np.split(bias, 3) for bias in weights[2])
    h, states = np.zeros(u_z.shape[0]), []
    for x_t in x:
        z = sigmoid(x_t @ w_z + b_z + h @ u_z + d_z)
        r = sigmoid(x_t @ w_r + b_r + h @ u_r + d_r)
        h = z * h + (1 - z) * g(x_t @ w_h + b_h + r * (h @ u_h + d_h))
        states.append(h)
    return np.array(states)


def textbook(cell: str, *, reset_after: bool) -> Callable[[Array, list[Array], Function], Array]:
    """The equations of a cell named as in a job file."""
    gru = gru_reset_after if reset_after else gru_reset_before
    return {"simple_rnn": simple_rnn, "lstm": lstm, "gru": gru}[cell]
