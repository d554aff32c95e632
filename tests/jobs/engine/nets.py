"""Networks of all kinds with weights and windows; TensorFlow and JAX both run them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from jobs.engine.backend import Backend
from jobs.engine.network import Dropout, Network
from jobs.engine.window import Window
from jobs.params import LayerParams, NetworkParams

INPUTS, HORIZON, TARGETS, BATCH = 3, 2, 2, 5


@dataclass(frozen=True)
class Net:
    """A network by its layers, each ``cell activation units``."""

    layers: tuple[str, ...]
    lookback: int
    reset_after: bool = True
    output: str = "linear"
    instance: bool = False
    dropout: float = 0.0

    def network(self, dtype: str = "float32") -> Network:
        layers = []
        for layer in self.layers:
            cell, activation, units = layer.split()
            layers.append(LayerParams(cell, int(units), activation, self.dropout))
        params = NetworkParams(tuple(layers), self.reset_after, self.output)
        sizes = (self.lookback, INPUTS, HORIZON, TARGETS)
        return Network(params, *sizes, **self.more(), dtype=dtype)

    def more(self) -> dict[str, Any]:
        return {"normalise": "last", "own": INPUTS} if self.instance else {}

    def weights(self) -> Any:
        """Every weight random, biases too."""
        draw = np.random.default_rng(2)
        return draw.normal(scale=0.4, size=self.network().size).astype(np.float32)

    def windows(self) -> tuple[Any, Any]:
        draw = np.random.default_rng(self.lookback)
        x, y = draw.normal(size=(BATCH, self.lookback, INPUTS)), draw.normal(size=(BATCH, HORIZON, TARGETS))
        return x.astype(np.float32), y.astype(np.float32)


# All four cells, each with activations whose slope is a function of their input and of their output; all of
# the activations; one to three layers; windows of less than a turn of eight steps, of whole turns, of more.
NETS = {
    "simple-rnn-1-step": Net(("simple_rnn tanh 3",), 1),
    "lstm-1-step": Net(("lstm selu 2",), 1, output="tanh"),
    "lstm-5": Net(("lstm sigmoid 3",), 5),
    "gru-after-7": Net(("gru tanh 4",), 7),
    "gru-before-8": Net(("gru elu 3",), 8, reset_after=False, output="sigmoid"),
    "simple-rnn-lstm-8": Net(("simple_rnn gelu 3", "lstm tanh 2"), 8),
    "grus-after-13": Net(("gru gelu 4", "gru relu 3"), 13),
    "grus-before-9": Net(("gru silu 2", "gru tanh 3"), 9, reset_after=False),
    "mixed-after-16": Net(("lstm silu 3", "simple_rnn softsign 4", "gru hard_sigmoid 2"), 16),
    "mixed-before-19": Net(("gru softplus 3", "simple_rnn linear 2", "lstm relu 4"), 19, reset_after=False),
    "lstms-3": Net(("lstm gelu 2", "lstm softsign 3"), 3),
    "simple-rnns-24": Net(("simple_rnn silu 3", "simple_rnn relu 3"), 24),
    "instance-6": Net(("gru tanh 3",), 6, instance=True),
}

DROPPING = Net(("gru tanh 4", "lstm tanh 3", "simple_rnn tanh 3"), 6, dropout=1.0)
ON_JAX = ("simple-rnn-1-step", "gru-before-8", "grus-after-13", "mixed-before-19", "lstms-3", "instance-6")


@lru_cache
def _program(net: Net, backend: Backend, dtype: str) -> Callable[..., Any]:
    from keras import ops

    network = net.network(dtype)

    def run(flat: Any, x: Any, y: Any, rates: Any, seed: Any) -> Any:
        def loss(forecast: Any) -> Any:
            return ops.mean(ops.square(forecast - y))

        forecast = network.apply(backend, network.unflatten(flat), Window(x))[0]
        return forecast, *network.loss_and_gradient(backend, flat, Window(x), Dropout(rates, seed), loss)

    return backend.program(run)


def loss_and_gradient(
    net: Net,
    backend: Backend,
    dtype: str = "float32",
    rates: tuple[float, ...] = (0.0, 0.0, 0.0),
    weights: Any | None = None,
) -> dict[str, Any]:
    """The engine's forecast, and its mean squared error's value and gradient."""
    weights = net.weights() if weights is None else weights
    dropout = np.array(rates, np.float32), (np.int32(3), np.int32(11))
    found = _program(net, backend, dtype)(weights, *net.windows(), *dropout)
    return dict(zip(("forecast", "loss", "gradient"), map(np.asarray, found), strict=True))
