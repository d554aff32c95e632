"""Dropout: its masks, and which programs look at its rates."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from jobs.engine.network import Dropout
from jobs.engine.on_tensorflow import PLAIN
from jobs.engine.programs import Training, evaluation_program, training_program
from tests.jobs.engine.nets import DROPPING
from tests.jobs.engine.programs import (
    KINDS,
    LAYERS,
    NETWORK,
    batches,
    begun,
    given,
    shape,
    weights,
)

# Dropout


def masks(rate: float, *, seed: int = 1, step: int = 0, layer: int = 0, size: int = 20_000) -> Any:
    chosen = Dropout(tf.fill((3,), rate), (tf.constant(seed), tf.constant(step)))
    return DROPPING.network()._dropped(PLAIN, tf.ones((size,)), chosen, layer).numpy()


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_keeps_its_share_and_scales_it_up(rate: float) -> None:
    found = masks(rate)

    assert np.mean(found > 0) == pytest.approx(1 - rate, abs=0.015)
    np.testing.assert_allclose(found[found > 0], 1 / (1 - rate), rtol=1e-5)
    assert found.min() == 0


def test_a_rate_of_zero_drops_nothing() -> None:
    np.testing.assert_array_equal(masks(0.0), np.ones(20_000))


def test_masks_depend_on_seed_step_and_layer_alone() -> None:
    wanted = masks(0.5)

    tf.random.set_seed(99)
    np.testing.assert_array_equal(masks(0.5), wanted)
    for other in ({"seed": 2}, {"step": 1}, {"layer": 1}, {"step": 2**31 // 1021 + 5}):
        assert np.mean(masks(0.5, **other) != wanted) == pytest.approx(0.5, abs=0.02)  # independent


def test_no_two_steps_and_layers_share_a_mask() -> None:
    both = [(step, layer) for step in range(20) for layer in range(3)]

    found = {masks(0.5, step=step, layer=layer, size=64).tobytes() for step, layer in both}

    assert len(found) == len(both)


def losses(program: Training, rates: list[float], **changes: int) -> list[float]:
    """Of three batches, with these rates of dropout."""
    chosen = given(rates=np.array(rates, np.float32), **changes)
    return program(begun(program), batches(4, 4, 4), 3, chosen)[1].tolist()


@KINDS
def test_training_drops_out_by_the_rates_that_are_given(xla: bool) -> None:  # noqa: FBT001
    program = training_program(shape(xla=xla), "sgd")

    found = [
        losses(program, [0.0, 0.0]),
        losses(program, [0.5, 0.5]),
        losses(program, [0.5, 0.5], seed=np.int32(8)),
        losses(program, [0.5, 0.5], step=1),
        losses(program, [0.5, 0.0]),
        losses(program, [0.0, 0.5]),
    ]

    assert found[1] == losses(program, [0.5, 0.5])
    assert len({first for first, *_ in found}) == len(found)


def test_a_network_without_dropout_looks_at_no_rate() -> None:
    layers = tuple(replace(layer, dropout=0.0) for layer in LAYERS)
    bare = replace(NETWORK, params=replace(NETWORK.params, layers=layers))
    program, without = (training_program(shape(network=each), "sgd") for each in (NETWORK, bare))

    assert losses(without, [0.5, 0.5]) == pytest.approx(losses(program, [0.0, 0.0]), rel=1e-6)


def test_an_evaluation_drops_nothing() -> None:
    layers = tuple(replace(layer, dropout=0.0) for layer in LAYERS)
    bare = replace(NETWORK, params=replace(NETWORK.params, layers=layers))

    with_dropout, without = (
        evaluation_program(shape(network=each))(weights(), batches(4, 4, 4), 3)[0] for each in (NETWORK, bare)
    )

    np.testing.assert_array_equal(with_dropout, without)
