"""The engine on TensorFlow: plain graphs, which start at once, or XLA, which runs faster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from jobs.engine.backend import Arrays, Backend, Prepare, Step

_TURN = 8  # steps of a recurrence in one turn of a plain graph's loop, whose turn costs as much as some steps

_WITH_STEPS = 3  # dimensions of an array of steps, windows and units


def _loop(
    count: Any, capacity: int, body: Step, carry: Arrays, dtypes: list[Any], *, reverse: bool
) -> tuple[Arrays, Arrays]:
    width = len(carry)
    given = [tf.TensorArray(dtype, size=capacity) for dtype in dtypes]

    def turn(i: Any, *state: Any) -> Any:
        at = count - 1 - i if reverse else i
        after, new = body(state[:width], (at,))
        written = (array.write(at, value) for array, value in zip(state[width:], new, strict=True))
        return (i + 1, *after, *written)

    begin = (tf.constant(0), *carry, *given)
    state = tf.while_loop(lambda i, *_: i < count, turn, begin, parallel_iterations=1)[1:]
    return tuple(state[:width]), tuple(array.stack() for array in state[width:])


class _TensorFlow:
    """What plain graphs and XLA's programs have in common."""

    def loop(
        self, count: Any, capacity: int, body: Step, carry: Arrays, results: int
    ) -> tuple[Arrays, Arrays]:
        return _loop(count, capacity, body, carry, [tf.float32] * results, reverse=False)

    def pullback(
        self, function: Callable[..., Arrays], *at: Any
    ) -> tuple[Arrays, Callable[[Arrays], Sequence[Any]]]:
        with tf.GradientTape() as tape:
            tape.watch(at)
            found = function(*at)
        return found, lambda gradients: tape.gradient(list(found), list(at), list(gradients))

    def uniform(self, shape: tuple[int, ...], seed: Any) -> Any:
        return tf.random.stateless_uniform(shape, seed)


class _Plain(_TensorFlow):
    """A graph of TensorFlow's own kernels."""

    eager = True

    def scan(
        self, step: Step, carry: Arrays, xs: Arrays, *, prepare: Prepare | None, results: int, reverse: bool
    ) -> Arrays:
        xs = prepare(*xs) if prepare else xs
        turns, head = divmod(int(xs[0].shape[0]), _TURN)
        if not turns:
            return _unrolled(step, carry, xs, reverse=reverse)[1]
        tail = tuple(_reshape(x[head:], (turns, _TURN, *x.shape[1:])) for x in xs)

        def turn(carry: Arrays, index: Arrays) -> tuple[Arrays, Arrays]:
            return _unrolled(step, carry, tuple(x[index[0]] for x in tail), reverse=reverse)

        def looped(carry: Arrays) -> tuple[Arrays, Arrays]:
            carry, found = _loop(turns, turns, turn, carry, [xs[0].dtype] * results, reverse=reverse)
            return carry, tuple(_reshape(x, (turns * _TURN, *x.shape[2:])) for x in found)

        if not head:
            return looped(carry)[1]
        first = tuple(x[:head] for x in xs)
        if reverse:
            carry, after = looped(carry)
            begun = _unrolled(step, carry, first, reverse=True)[1]
        else:
            carry, begun = _unrolled(step, carry, first, reverse=False)
            after = looped(carry)[1]
        return tuple(tf.concat(both, 0) for both in zip(begun, after, strict=True))

    def shared(self, function: Callable[..., Any]) -> Callable[..., Any]:
        graph = tf.function(function, autograph=False, experimental_attributes={"_noinline": True})

        traced: dict[Any, Any] = {}

        def call(*arrays: Any) -> Any:
            # One graph for batches of every size, so that evaluation needs none of its own.
            specs = tuple(map(_of_any_batch, arrays))
            key = tuple((tuple(spec.shape), spec.dtype) for spec in specs)
            if key not in traced:
                traced[key] = graph.get_concrete_function(*specs)
            found = traced[key](*arrays)
            batch = next(array.shape[1] for array in arrays if len(array.shape) == _WITH_STEPS)
            for each in found:
                if len(each.shape) == _WITH_STEPS:
                    each.set_shape((None, batch, None))
            return found

        return call

    def program(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return tf.function(function, autograph=False)


def _of_any_batch(array: Any) -> Any:
    shape = array.shape
    return tf.TensorSpec((shape[0], None, shape[2]) if len(shape) == _WITH_STEPS else shape, array.dtype)


def _reshape(x: Any, shape: tuple[int | None, ...]) -> Any:
    return tf.reshape(x, [-1 if size is None else size for size in shape])


def _unrolled(step: Step, carry: Arrays, xs: Arrays, *, reverse: bool) -> tuple[Arrays, Arrays]:
    steps = list(zip(*(tf.unstack(x) for x in xs), strict=True))
    found = []
    for x in reversed(steps) if reverse else steps:
        carry, result = step(carry, x)
        found.append(result)
    in_order = reversed(found) if reverse else found
    return carry, tuple(tf.stack(same) for same in zip(*in_order, strict=True))


class _Xla(_TensorFlow):
    """Programs that XLA compiles."""

    eager = False

    def scan(
        self, step: Step, carry: Arrays, xs: Arrays, *, prepare: Prepare | None, results: int, reverse: bool
    ) -> Arrays:
        steps = int(xs[0].shape[0])

        def one(carry: Arrays, index: Arrays) -> tuple[Arrays, Arrays]:
            x = tuple(x[index[0]] for x in xs)
            return step(carry, prepare(*x) if prepare else x)

        return _loop(steps, steps, one, carry, [xs[0].dtype] * results, reverse=reverse)[1]

    def shared(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return tf.function(function, autograph=False)

    def program(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return tf.function(function, autograph=False, jit_compile=True)


PLAIN: Backend = _Plain()
XLA: Backend = _Xla()
