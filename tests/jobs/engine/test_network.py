"""The engine's networks against Keras's own layers and their gradients, and the weights they begin with."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from jobs.cut import Cutter
from jobs.engine.activations import ACTIVATIONS
from jobs.engine.backend import Backend, backend
from jobs.engine.network import Network
from jobs.engine.on_tensorflow import PLAIN, XLA
from jobs.engine.window import Window
from jobs.forecaster import build_forecaster
from jobs.learner import network_of
from jobs.models import build_network, set_weights
from jobs.params import LayerParams, NetworkParams
from jobs.scaling import Scaler
from tests.jobs.engine.nets import DROPPING, HORIZON, NETS, TARGETS, loss_and_gradient
from tests.jobs.small import panel, params

BACKENDS = {"plain": PLAIN, "xla": XLA}


def cut(network: Network, flat: Any) -> list[Any]:
    """A flat vector as Keras's weights."""
    ends = np.cumsum([np.prod(shape) for shape in network.shapes()])[:-1]
    return [part.reshape(shape) for part, shape in zip(np.split(flat, ends), network.shapes(), strict=True)]


def applied(network: Network, flat: Any, x: Any) -> Any:
    """A plain graph's forecast and its layers' outputs."""
    return PLAIN.program(lambda flat, x: network.apply(PLAIN, network.unflatten(flat), Window(x)))(flat, x)


def with_keras(network: Network, flat: Any, x: Any, y: Any) -> dict[str, Any]:
    """What Keras's layers give with the same weights, dropout aside."""
    layers = tuple(replace(layer, dropout=0.0) for layer in network.params.layers)
    model = build_network(
        replace(network.params, layers=layers),
        lookback=network.lookback,
        inputs=network.inputs,
        horizon=network.horizon,
        targets=network.targets,
    )
    model.set_weights(cut(network, flat))
    level = x[:, -1:, :] if network.normalise == "last" else np.zeros((1, 1, network.inputs), np.float32)
    with tf.GradientTape() as tape:
        forecast = model(x - level, training=True) + level[:, :, : network.targets]
        loss = tf.reduce_mean(tf.square(forecast - y))
    gradients = tape.gradient(loss, model.trainable_variables)
    together = np.concatenate([np.ravel(gradient) for gradient in gradients])
    return {"forecast": forecast.numpy(), "loss": loss.numpy(), "gradient": together}


@lru_cache
def by_keras(name: str) -> dict[str, Any]:
    """What Keras's layers give for one of the networks here."""
    net = NETS[name]
    return with_keras(net.network(), net.weights(), *net.windows())


def assert_same(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Each value within 1e-5 of the largest of its kind."""
    for kind, each in wanted.items():
        np.testing.assert_allclose(found[kind], each, rtol=1e-5, atol=1e-5 * np.abs(each).max(), err_msg=kind)


def test_the_networks_here_have_every_activation_and_every_cell_with_both_kinds_of_slope() -> None:
    layers = [
        (layer.cell, net.reset_after or layer.cell != "gru", layer.activation)
        for net in NETS.values()
        for layer in net.network().params.layers
    ]

    assert {activation for *_, activation in layers} == set(ACTIVATIONS)
    kinds = {(*cell, ACTIVATIONS[activation].of_input) for *cell, activation in layers}
    cells = [("simple_rnn", True), ("lstm", True), ("gru", True), ("gru", False)]
    assert kinds == {(*cell, of_input) for cell in cells for of_input in (True, False)}


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("kind", BACKENDS)
def test_forecast_and_gradient_are_those_of_keras_layers(name: str, kind: str) -> None:
    assert np.abs(by_keras(name)["gradient"]).max() > 1e-2  # or the case would show nothing

    assert_same(loss_and_gradient(NETS[name], BACKENDS[kind]), by_keras(name))


@pytest.mark.parametrize("kind", BACKENDS)
def test_the_gradient_with_dropout_is_what_the_loss_moves_by(kind: str) -> None:
    """Masks are the same on the way back, and scale it too."""
    weights, rates = DROPPING.weights(), (0.3, 0.2, 0.4)
    gradient = loss_and_gradient(DROPPING, BACKENDS[kind], rates=rates)["gradient"].astype(np.float64)
    step = 0.02 * gradient / np.linalg.norm(gradient)

    ahead, behind = (
        loss_and_gradient(DROPPING, BACKENDS[kind], rates=rates, weights=(weights + way).astype(np.float32))[
            "loss"
        ]
        for way in (step, -step)
    )

    assert (ahead - behind) / 0.04 == pytest.approx(np.linalg.norm(gradient), rel=5e-3)
    without = loss_and_gradient(DROPPING, BACKENDS[kind])
    assert_same(without, with_keras(DROPPING.network(), weights, *DROPPING.windows()))
    assert np.linalg.norm(gradient - without["gradient"]) > 0.1 * np.linalg.norm(gradient)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_slope_is_the_functions_own(activation: str) -> None:
    function = ACTIVATIONS[activation]
    x = tf.constant(np.random.default_rng(1).normal(scale=2, size=200), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        wanted = keras.activations.get(activation)(x)

    value, slope = function.decode(function.code(x, function(x)))

    np.testing.assert_allclose(value, wanted, rtol=1e-6)
    np.testing.assert_allclose(slope, tape.gradient(wanted, x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "kind"), [("mixed-before-19", "plain"), ("gru-after-7", "plain"), ("gru-after-7", "xla")]
)
def test_bfloat16_is_close_to_float32(name: str, kind: str) -> None:
    found = loss_and_gradient(NETS[name], BACKENDS[kind], dtype="bfloat16")

    wanted = by_keras(name)
    assert {each.dtype for each in found.values()} == {np.dtype(np.float32)}
    for each in ("forecast", "gradient"):
        error = np.linalg.norm(found[each] - wanted[each]) / np.linalg.norm(wanted[each])
        assert 1e-5 < error < 0.05, each  # and it did compute in less


@pytest.mark.parametrize("scale", ["instance", "standard"])
def test_the_served_model_gives_the_engines_forecast(scale: str) -> None:
    scaler = Scaler(np.array([[20.0, -3.0, 1e4]]), np.array([[5.0, 0.25, 30.0]]))
    layers = (LayerParams("lstm", 3, "tanh", 0.2), LayerParams("gru", 2, "relu", 0.0))
    chosen = params(scale=scale, layers=layers, lookback=9)
    found = panel(40, columns=3, targets=2)
    network = network_of(Network, chosen, Cutter(found, chosen.window))
    flat = np.random.default_rng(3).normal(scale=0.4, size=network.size).astype(np.float32)
    scaled = np.random.default_rng(4).normal(size=(5, 9, 3)).astype(np.float32)
    model = build_forecaster(chosen, scaler, found)
    set_weights(model, cut(network, flat))

    forecast, _ = applied(network, flat, scaled)

    raw = (scaled * scaler.spread + scaler.centre).astype(np.float32)
    served = keras.ops.convert_to_numpy(model(raw, training=False))
    wanted = (served - scaler.centre[:, :2]) / scaler.spread[:, :2]
    np.testing.assert_allclose(forecast, wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["simple-rnn-lstm-8", "grus-before-9"])
def test_each_layers_outputs_come_along(name: str) -> None:
    net = NETS[name]
    network = net.network()
    first, second = (layer.units for layer in network.params.layers)

    _, outputs = applied(network, net.weights(), net.windows()[0])

    assert [output.shape for output in outputs] == [(net.lookback, 5, first), (5, second)]


def test_the_backend_is_that_of_keras() -> None:
    found: list[Backend] = [backend(xla=False), backend(xla=True)]

    assert found == [PLAIN, XLA]


def test_another_backend_of_keras_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")

    with pytest.raises(NotImplementedError, match="runs on tensorflow and jax, not on torch"):
        backend(xla=False)


# The weights that training begins with

STACK = Network(
    NetworkParams(
        (
            LayerParams("simple_rnn", 5, "tanh", 0.0),
            LayerParams("lstm", 4, "tanh", 0.3),
            LayerParams("gru", 6, "tanh", 0.0),
        ),
        reset_after=True,
        output_activation="linear",
    ),
    7,
    3,
    2,
    2,
)


@pytest.mark.parametrize("name", [*NETS, None])
def test_weights_have_the_shapes_and_the_order_of_keras(name: str | None) -> None:
    network = NETS[name].network() if name else STACK
    model = build_network(
        network.params, lookback=network.lookback, inputs=3, horizon=HORIZON, targets=TARGETS
    )

    assert network.shapes() == [weight.shape for weight in model.get_weights()]
    assert network.size == model.count_params() == len(network.initial(0))
    assert network.initial(0).dtype == np.float32


def test_a_flat_vector_is_cut_into_weights_in_their_order() -> None:
    flat = np.arange(STACK.size, dtype=np.float32)

    found = [np.asarray(weight) for weight in STACK.unflatten(flat)]

    assert [weight.shape for weight in found] == STACK.shapes()
    np.testing.assert_array_equal(np.concatenate([weight.ravel() for weight in found]), flat)


def test_recurrent_kernels_begin_orthogonal() -> None:
    weights = cut(STACK, STACK.initial(1))

    for recurrent in weights[1:9:3]:
        np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(len(recurrent)), atol=1e-6)


def test_other_kernels_begin_uniform_within_glorots_bounds() -> None:
    weights = cut(STACK, STACK.initial(1))

    for kernel in (*weights[0:9:3], weights[9]):
        bound = np.sqrt(6 / sum(kernel.shape))
        assert np.abs(kernel).max() <= bound
        assert kernel.max() > 0.6 * bound
        assert kernel.min() < -0.6 * bound
        assert abs(kernel.mean()) < 0.4 * bound


def test_biases_begin_at_zero_but_for_the_forget_gates() -> None:
    weights = cut(STACK, STACK.initial(1))

    np.testing.assert_array_equal(weights[5], [0] * 4 + [1] * 4 + [0] * 8)
    for bias in (weights[2], weights[8], weights[10]):
        np.testing.assert_array_equal(bias, np.zeros_like(bias))


def test_the_seed_decides_what_training_begins_with() -> None:
    np.testing.assert_array_equal(STACK.initial(1), STACK.initial(1))
    assert np.mean(STACK.initial(1) != STACK.initial(2)) > 0.7  # all but the biases


def test_no_two_layers_begin_alike() -> None:
    layers = (LayerParams("simple_rnn", 3, "tanh", 0.0),) * 2
    network = Network(NetworkParams(layers, True, "linear"), 4, 3, 1, 3)  # noqa: FBT003

    first, recurrent, _, second, other, *_ = cut(network, network.initial(1))

    assert not np.isin(first, second).any()
    assert not np.isin(recurrent, other).any()
