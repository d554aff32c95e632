"""A user's network as two functions, one that trains on a batch and one that measures it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import keras


class Program(Protocol):
    """Moves a network on and measures it."""

    def compile(self, *, fast: bool) -> None:
        """Choose how: ``fast`` takes long to begin."""

    def step(self, *batch: Any) -> None:
        """Train on ``x`` (batch, lookback, columns), ``y`` (batch, …) and what each counts, or None."""

    def measure(self, *batch: Any) -> tuple[Any, Any]:
        """The mean loss and the forecasts of such a batch."""


def make_program(model: Any) -> Program:
    """The fastest way that the backend, and the network's own compile, leave."""
    if keras.backend.backend() == "tensorflow" and not model.run_eagerly:
        return _Graphs(model)
    return _Calls(model)


class _Calls:
    """Keras's own functions for a batch."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def compile(self, *, fast: bool) -> None:
        """There is one way."""

    def step(self, *batch: Any) -> None:
        """See ``Program``."""
        self._model.train_on_batch(*batch)

    def measure(self, *batch: Any) -> tuple[Any, Any]:
        """See ``Program``."""
        x, y, counts = batch
        forecast = self._model.predict_on_batch(x)
        loss = self._model.compute_loss(x, y, forecast, sample_weight=counts, training=False)
        return keras.ops.convert_to_numpy(loss), forecast


class _Graphs:
    """TensorFlow's graphs, traced once for all sizes of a batch; XLA compiles each size by itself."""

    def __init__(self, model: Any) -> None:
        self._model, self._fast = model, False
        self._plain: Any = None
        self._full: tuple[int, Any] | None = None
        self._measure: Any = None

    def compile(self, *, fast: bool) -> None:
        """With XLA, or without."""
        self._fast = fast

    def step(self, *batch: Any) -> None:
        """See ``Program``; the last batch of an epoch, which may be smaller, is left to the plain graph."""
        given = _given(batch)
        if self._fast and self._full is None:
            self._full = len(given[0]), _graph(self._train, given, xla=True)
        if self._fast and self._full is not None and self._full[0] == len(given[0]):
            self._full[1](*given)
            return
        if self._plain is None:
            self._plain = _graph(self._train, given)
        self._plain(*given)

    def _train(self, *batch: Any) -> None:
        self._model.train_step(batch)

    def measure(self, *batch: Any) -> tuple[Any, Any]:
        """See ``Program``."""
        given = _given(batch)
        if self._measure is None:
            self._measure = _graph(self._loss, given)
        loss, forecast = self._measure(*given)
        return loss.numpy(), forecast.numpy()

    def _loss(self, x: Any, y: Any, *counts: Any) -> tuple[Any, Any]:
        forecast = self._model(x, training=False)
        weight = counts[0] if counts else None
        return self._model.compute_loss(x, y, forecast, sample_weight=weight, training=False), forecast


def start_sooner() -> None:
    """Leave out TensorFlow's own rewriting of graphs, in all of this process.

    On cores it takes a third of a first step, later ones are none the faster for it, and every network of a
    user's is traced for one trial alone.
    """
    import tensorflow as tf

    if keras.backend.backend() == "tensorflow" and not tf.config.list_physical_devices("GPU"):
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


def _given(batch: tuple[Any, ...]) -> list[Any]:
    return [each for each in batch if each is not None]


def _graph(function: Callable[..., Any], batch: list[Any], *, xla: bool = False) -> Any:
    import tensorflow as tf

    size = len(batch[0]) if xla else None
    signature = [tf.TensorSpec([size, *each.shape[1:]], each.dtype) for each in batch]
    return tf.function(function, input_signature=signature, jit_compile=xla, autograph=False)
