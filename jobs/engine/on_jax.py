"""The engine on JAX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jobs.engine.backend import Arrays, Backend, Prepare, Step


class _Jax:
    """Everything is traced to XLA."""

    eager = False

    def scan(
        self, step: Step, carry: Arrays, xs: Arrays, *, prepare: Prepare | None, results: int, reverse: bool
    ) -> Arrays:
        del results

        def one(carry: Arrays, x: Arrays) -> tuple[Arrays, Arrays]:
            return step(carry, prepare(*x) if prepare else x)

        return jax.lax.scan(one, carry, xs, reverse=reverse)[1]

    def loop(
        self, count: Any, capacity: int, body: Step, carry: Arrays, results: int
    ) -> tuple[Arrays, Arrays]:
        del results
        shapes = jax.eval_shape(lambda carry: body(carry, (jnp.int32(0),))[1], carry)
        given = tuple(jnp.zeros((capacity, *shape.shape), shape.dtype) for shape in shapes)

        def turn(i: Any, state: tuple[Arrays, Arrays]) -> tuple[Arrays, Arrays]:
            after, new = body(state[0], (i,))
            return after, tuple(array.at[i].set(value) for array, value in zip(state[1], new, strict=True))

        return jax.lax.fori_loop(0, count, turn, (carry, given))

    def shared(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return function

    def pullback(
        self, function: Callable[..., Arrays], *at: Any
    ) -> tuple[Arrays, Callable[[Arrays], Sequence[Any]]]:
        return jax.vjp(function, *at)

    def uniform(self, shape: tuple[int, ...], seed: Any) -> Any:
        key = jax.random.fold_in(jax.random.key(seed[0]), seed[1])
        return jax.random.uniform(key, shape)

    def program(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return jax.jit(function)


JAX: Backend = _Jax()
