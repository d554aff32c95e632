"""The cells are what they are said to be: Keras's layers against the textbook's equations, to 1e-5."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from jobs.models import build_network, recurrent_layer
from jobs.params import LayerParams, NetworkParams
from tests.jobs.textbook import ACTIVATIONS, Array, textbook

CELLS = [("simple_rnn", True), ("lstm", True), ("gru", True), ("gru", False)]  # cell, reset_after
CELL_IDS = ["simple_rnn", "lstm", "gru", "gru_reset_before"]


def randomize(model: Any, rng: np.random.Generator) -> None:
    """Give every weight, biases and all, a random value of its own."""
    model.set_weights([rng.normal(scale=0.4, size=w.shape) for w in model.get_weights()])


def weights_of(layer: Any) -> list[Array]:
    return [w.astype(np.float64) for w in layer.get_weights()]


def outputs(model: Any, x: Array) -> Array:
    """What a model or layer gives at inference."""
    return np.asarray(keras.ops.convert_to_numpy(model(x.astype(np.float32), training=False)), np.float64)


def built_layer(
    cell: str, *, reset_after: bool, units: int, activation: str, features: int, sequences: bool, seed: int
) -> Any:
    layer = recurrent_layer(
        LayerParams(cell, units, activation, 0.0), return_sequences=sequences, reset_after=reset_after
    )
    layer.build((None, None, features))
    randomize(layer, np.random.default_rng(seed))
    return layer


def assert_same(actual: Array, expected: Array) -> None:
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


# --- one layer --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("cell", "reset_after"), CELLS, ids=CELL_IDS)
def test_one_step_and_several_follow_the_equations(cell: str, reset_after: bool, activation: str) -> None:  # noqa: FBT001
    layer = built_layer(
        cell, reset_after=reset_after, units=5, activation=activation, features=3, sequences=True, seed=1
    )
    x = np.random.default_rng(2).normal(size=(4, 7, 3))
    equations, g = textbook(cell, reset_after=reset_after), ACTIVATIONS[activation]
    expected = np.array([equations(sequence, weights_of(layer), g) for sequence in x])
    assert_same(outputs(layer, x[:, :1]), expected[:, :1])
    assert_same(outputs(layer, x), expected)


@seed(7)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    variant=st.sampled_from(CELLS),
    activation=st.sampled_from(["tanh", "relu", "sigmoid"]),
    sizes=st.tuples(*(st.integers(1, 6) for _ in range(4))),
    weights=st.integers(0, 2**32 - 1),
)
def test_any_shape_follows_the_equations(
    variant: tuple[str, bool], activation: str, sizes: tuple[int, int, int, int], weights: int
) -> None:
    (cell, reset_after), (batch, steps, features, units) = variant, sizes
    layer = built_layer(
        cell,
        reset_after=reset_after,
        units=units,
        activation=activation,
        features=features,
        sequences=False,
        seed=weights,
    )
    x = np.random.default_rng(weights).normal(size=(batch, steps, features))
    equations, g = textbook(cell, reset_after=reset_after), ACTIVATIONS[activation]
    assert_same(outputs(layer, x), np.array([equations(one, weights_of(layer), g)[-1] for one in x]))


def test_the_two_grus_are_different_cells() -> None:
    after = recurrent_layer(LayerParams("gru", 4, "tanh", 0.0), return_sequences=False)
    before = recurrent_layer(LayerParams("gru", 4, "tanh", 0.0), return_sequences=False, reset_after=False)
    for layer in (after, before):
        layer.build((None, None, 2))
    assert [w.shape for w in after.get_weights()] == [(2, 12), (4, 12), (2, 12)]
    assert [w.shape for w in before.get_weights()] == [(2, 12), (4, 12), (12,)]


# --- stacks of layers -------------------------------------------------------------------------------------

STACK = (
    LayerParams("simple_rnn", 4, "tanh", 0.3),
    LayerParams("lstm", 3, "relu", 0.0),
    LayerParams("gru", 5, "sigmoid", 0.5),
)


def forecast(network: Any, params: NetworkParams, x: Array, horizon: int, targets: int) -> Array:
    """The textbook's forecast for one sequence, layer by layer, with a network's weights."""
    recurrent = [layer for layer in network.layers if isinstance(layer, keras.layers.RNN)]
    for layer, built in zip(params.layers, recurrent, strict=True):
        equations = textbook(layer.cell, reset_after=params.reset_after)
        x = equations(x, weights_of(built), ACTIVATIONS[layer.activation])
    kernel, bias = weights_of(network.get_layer("head"))
    head = ACTIVATIONS[params.output_activation]
    return head(x[-1] @ kernel + bias).reshape(horizon, targets)


@pytest.mark.parametrize("output_activation", ["linear", "tanh"])
@pytest.mark.parametrize("reset_after", [True, False], ids=["reset_after", "reset_before"])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0), (2, 2), (1,)], ids=str)
def test_a_network_is_its_layers_one_after_the_other(
    order: tuple[int, ...],
    reset_after: bool,  # noqa: FBT001
    output_activation: str,
) -> None:
    """With its dropout inactive, as at every inference."""
    params = NetworkParams(tuple(STACK[index] for index in order), reset_after, output_activation)
    network = build_network(params, lookback=6, inputs=3, horizon=4, targets=2)
    randomize(network, np.random.default_rng(3))
    x = np.random.default_rng(4).normal(size=(5, 6, 3))
    assert_same(outputs(network, x), np.array([forecast(network, params, one, 4, 2) for one in x]))


# --- sequences of different lengths -----------------------------------------------------------------------

PAD = -9.0
LENGTHS = (6, 1, 4, 3)


def padded(rng: np.random.Generator, lengths: tuple[int, ...], features: int) -> tuple[list[Array], Array]:
    """Sequences alone, and together in one array that is filled up on the right."""
    alone = [rng.normal(size=(length, features)) for length in lengths]
    together = np.full((len(lengths), max(lengths), features), PAD)
    for row, sequence in zip(together, alone, strict=True):
        row[: len(sequence)] = sequence
    return alone, together


@pytest.mark.parametrize("sequences", [True, False], ids=["sequences", "last"])
@pytest.mark.parametrize(("cell", "reset_after"), CELLS, ids=CELL_IDS)
def test_a_masked_sequence_gives_what_it_gives_alone(cell: str, reset_after: bool, sequences: bool) -> None:  # noqa: FBT001
    layer = built_layer(
        cell, reset_after=reset_after, units=4, activation="tanh", features=3, sequences=sequences, seed=5
    )
    alone, together = padded(np.random.default_rng(6), LENGTHS, 3)
    masked = outputs(keras.Sequential([keras.layers.Masking(PAD), layer]), together)
    for got, sequence in zip(masked, alone, strict=True):
        expected = textbook(cell, reset_after=reset_after)(sequence, weights_of(layer), np.tanh)
        assert_same(outputs(layer, sequence[None])[0], expected if sequences else expected[-1])
        assert_same(got[: len(sequence)] if sequences else got, expected if sequences else expected[-1])


@pytest.mark.parametrize("reset_after", [True, False], ids=["reset_after", "reset_before"])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0), (1, 2), (1,)], ids=str)
def test_a_masked_sequence_goes_through_a_network_as_it_does_alone(
    order: tuple[int, ...],
    reset_after: bool,  # noqa: FBT001
) -> None:
    """The mask reaches every layer of the stack, through dropout too."""
    params = NetworkParams(tuple(STACK[index] for index in order), reset_after, "linear")
    network = build_network(params, lookback=max(LENGTHS), inputs=3, horizon=2, targets=1)
    randomize(network, np.random.default_rng(8))
    alone, together = padded(np.random.default_rng(9), LENGTHS, 3)
    masking = keras.Sequential([keras.layers.Masking(PAD), *network.layers[1:]])
    expected = np.array([forecast(network, params, sequence, 2, 1) for sequence in alone])
    assert_same(outputs(masking, together), expected)


@seed(11)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(variant=st.sampled_from(CELLS), lengths=st.lists(st.integers(1, 6), min_size=2, max_size=5))
def test_any_lengths_can_share_a_batch(variant: tuple[str, bool], lengths: list[int]) -> None:
    cell, reset_after = variant
    layer = built_layer(
        cell, reset_after=reset_after, units=3, activation="tanh", features=2, sequences=False, seed=10
    )
    alone, together = padded(np.random.default_rng(len(lengths)), tuple(lengths), 2)
    masked = outputs(keras.Sequential([keras.layers.Masking(PAD), layer]), together)
    equations = textbook(cell, reset_after=reset_after)
    assert_same(masked, np.array([equations(one, weights_of(layer), np.tanh)[-1] for one in alone]))
