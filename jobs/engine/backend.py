"""What the engine asks of a backend; Keras's own operations do the rest."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Protocol

import keras
import numpy as np

Arrays = tuple[Any, ...]
Step = Callable[[Arrays, Arrays], tuple[Arrays, Arrays]]
Prepare = Callable[..., Arrays]


class Backend(Hashable, Protocol):
    """Tracing, compiling and running of pure functions of arrays."""

    @property
    def eager(self) -> bool:
        """Whether a few operations round ``shared`` functions are best run one by one, without a program."""

    def scan(
        self, step: Step, carry: Arrays, xs: Arrays, *, prepare: Prepare | None, results: int, reverse: bool
    ) -> Arrays:
        """Run ``step(carry, x) -> carry, result`` over the first axis of ``xs``.

        Args:
            step: one step.
            carry: what the first step begins with.
            xs: (steps, …) arrays.
            prepare: elementwise; applied to ``xs`` first, all at once or step by step, whichever is faster.
            results: how many arrays a step's result has.
            reverse: begin at the last step.

        Returns:
            The steps' results, each (steps, …), in the order of ``xs``.
        """

    def loop(
        self, count: Any, capacity: int, body: Step, carry: Arrays, results: int
    ) -> tuple[Arrays, Arrays]:
        """Run ``body(carry, (i,)) -> carry, result`` for ``i < count``, at most ``capacity`` times.

        Returns:
            The last carry, and the results, each (capacity, …) float32.
        """

    def shared(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, traced once for all programs that call it."""

    def pullback(
        self, function: Callable[..., Arrays], *at: Any
    ) -> tuple[Arrays, Callable[[Arrays], Sequence[Any]]]:
        """A function's results, and what takes gradients of them to those of its arguments."""

    def uniform(self, shape: tuple[int, ...], seed: Any) -> Any:
        """Random numbers in [0, 1) that depend on ``seed``, two int32, alone."""

    def program(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function as one program."""


def split(x: Any, *sizes: int) -> list[Any]:
    """``x`` cut along its last axis into pieces of these sizes."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.split(x, sizes, axis=-1)  # one kernel; Keras's own makes a dozen of it
    return keras.ops.split(x, np.cumsum(sizes)[:-1].tolist(), axis=-1)


def backend(*, xla: bool) -> Backend:
    """The backend that Keras runs on; JAX's programs are always XLA's.

    Raises:
        NotImplementedError: Keras runs on another one.
    """
    match keras.backend.backend():
        case "tensorflow":
            from jobs.engine.on_tensorflow import PLAIN, XLA

            return XLA if xla else PLAIN
        case "jax":
            from jobs.engine.on_jax import JAX

            return JAX
        case other:
            raise NotImplementedError(f"the engine runs on tensorflow and jax, not on {other}")
