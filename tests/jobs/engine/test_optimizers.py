"""Each optimizer against Keras's own of that name."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from jobs.engine.optimizers import OPTIMIZERS

CLASSES = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "adamax": keras.optimizers.Adamax,
    "nadam": keras.optimizers.Nadam,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
    "adagrad": keras.optimizers.Adagrad,
    "adadelta": keras.optimizers.Adadelta,
}
SIZES = np.array([1e-6, 1e-3, 0.1, 1.0, 1.0, 10.0, 1e3])  # of the weights' gradients
STEPS = 20


def gradients() -> Any:
    return (np.random.default_rng(1).normal(size=(STEPS, len(SIZES))) * SIZES).astype(np.float32)


def rates() -> Any:
    return np.linspace(0.05, 0.01, STEPS, dtype=np.float32)


def fresh(name: str, size: int) -> list[Any]:
    """The state before the first step."""
    return [np.float32(0), *(np.full(size, value, np.float32) for value in OPTIMIZERS[name].slots)]


def test_each_of_them_is_compared() -> None:
    assert set(CLASSES) == set(OPTIMIZERS)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_are_those_of_keras(name: str) -> None:
    begin = np.random.default_rng(2).normal(size=len(SIZES)).astype(np.float32)
    variable = keras.Variable(begin)
    theirs = CLASSES[name](learning_rate=0.05)
    weights, state = begin, tuple(fresh(name, len(SIZES)))

    for step, (gradient, rate) in enumerate(zip(gradients(), rates(), strict=True)):
        theirs.learning_rate = rate
        theirs.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        weights, state = OPTIMIZERS[name].apply(weights, gradient, state, rate)

        wanted = keras.ops.convert_to_numpy(variable)
        np.testing.assert_allclose(weights, wanted, rtol=1e-5, atol=1e-6, err_msg=f"step {step + 1}")

    assert np.abs(wanted - begin).max() > 1e-4  # or the case would show nothing
    assert float(state[0]) == STEPS


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_gradient_of_nothing_moves_nothing_but_what_decays(name: str) -> None:
    begin, nothing = np.ones(3, np.float32), np.zeros(3, np.float32)

    weights, _ = OPTIMIZERS[name].apply(begin, nothing, tuple(fresh(name, 3)), np.float32(0.5))

    np.testing.assert_allclose(weights, begin * (1 - 0.004 * 0.5 if name == "adamw" else 1), rtol=1e-6)


def test_state_keeps_its_shape() -> None:
    for name, optimizer in OPTIMIZERS.items():
        state = fresh(name, 3)
        _, after = optimizer.apply(np.ones(3, np.float32), np.ones(3, np.float32), tuple(state), 0.1)

        assert [np.shape(each) for each in after] == [np.shape(each) for each in state], name
