"""Windows of every shape: what is known ahead, forecasts from every step, fewer steps than the lookback."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from jobs.engine.backend import Backend
from jobs.engine.kernels import KernelNetwork
from jobs.engine.network import Dropout, Network
from jobs.engine.on_tensorflow import PLAIN, XLA
from jobs.engine.window import Window, normalised
from jobs.models import build_network, set_weights
from jobs.params import LayerParams, NetworkParams
from tests.jobs.engine.test_network import assert_same, cut

LOOKBACK, INPUTS, HORIZON, TARGETS, KNOWN, BATCH = 9, 4, 3, 2, 2, 5
LAYERS = (LayerParams("gru", 4, "tanh", 0.0), LayerParams("lstm", 3, "tanh", 0.0))
PLAIN_SHAPE = Network(
    NetworkParams(LAYERS, reset_after=True, output_activation="tanh"), LOOKBACK, INPUTS, HORIZON, TARGETS
)
LENGTHS = np.array([9, 1, 4, 8, 2], np.int32)
KINDS = {"plain": PLAIN, "xla": XLA}
SHAPES = {
    "known": {"known": KNOWN},
    "sequence": {"sequence": True},
    "padded": {"padded": True},
    "moments": {"normalise": "moments", "own": 3},
    "last": {"normalise": "last", "own": 3},
    "known-sequence": {"known": KNOWN, "sequence": True},
    "known-padded-moments": {"known": KNOWN, "padded": True, "normalise": "moments", "own": 3},
    "padded-last": {"padded": True, "normalise": "last", "own": 4},
    "padded-sequence": {"padded": True, "sequence": True, "known": KNOWN},
}


def network_of(name: str) -> Network:
    return replace(PLAIN_SHAPE, **SHAPES[name])


def weights(network: Network) -> Any:
    return np.random.default_rng(2).normal(scale=0.4, size=network.size).astype(np.float32)


def window_of(network: Network) -> tuple[Window, Any]:
    """Random windows, behind their length their last step again, and what is to be forecast."""
    draw = np.random.default_rng(7)
    ahead = HORIZON + (LOOKBACK - 1 if network.sequence else 0)
    x = draw.normal(size=(BATCH, LOOKBACK, INPUTS)).astype(np.float32)
    known = draw.normal(size=(BATCH, ahead, KNOWN)).astype(np.float32) if network.known else None
    y = draw.normal(size=(BATCH, ahead, TARGETS)).astype(np.float32)
    if network.padded:
        steps = np.minimum(np.arange(LOOKBACK), LENGTHS[:, None] - 1)
        x = np.take_along_axis(x, steps[:, :, None], axis=1)
    return Window(x, known, LENGTHS if network.padded else None), y


def counted(network: Network, error: Any) -> Any:
    """Of the squared errors those of steps that there are."""
    if network.sequence and network.padded:
        there = np.arange(LOOKBACK) < LENGTHS[:, None]
        return error * there[:, :, None, None]
    return error


def by_engine(network: Network, backend: Backend) -> dict[str, Any]:
    window, y = window_of(network)
    dropout = Dropout(np.zeros(2, np.float32), (np.int32(1), np.int32(2)))

    def run(flat: Any, window: Window) -> Any:
        def loss(forecast: Any) -> Any:
            actual = network.unfold(y) if network.sequence else y
            return tf.reduce_sum(counted(network, tf.square(forecast - actual)))

        return network.loss_and_gradient(backend, flat, window, dropout, loss)

    def program(flat: Any, x: Any, ahead: Any, length: Any) -> Any:
        return run(flat, Window(x, ahead, length))

    found = backend.program(program)(weights(network), window.x, window.ahead, window.length)
    return dict(zip(("loss", "gradient"), map(np.asarray, found), strict=True))


def by_keras(network: Network) -> dict[str, Any]:
    """Each window by itself, from every step that forecasts, at the length that it has, without padding."""
    window, y = window_of(network)
    flat = weights(network)
    total, gradient = 0.0, np.zeros(network.size)
    for index in range(BATCH):
        length = int(LENGTHS[index]) if network.padded else LOOKBACK
        for step in range(1 if network.sequence else length, length + 1):
            found = one(network, flat, window, y, index, step)
            total, gradient = total + found[0], gradient + found[1]
    return {"loss": np.float32(total), "gradient": gradient}


def in_keras(network: Network, flat: Any) -> Any:
    """The same network of Keras's own layers, with these weights."""
    model = build_network(
        network.params,
        lookback=network.lookback,
        inputs=INPUTS,
        horizon=HORIZON,
        targets=TARGETS,
        known=network.known,
        padded=network.padded,
    )

    class _Outer:  # ``set_weights`` is for forecasters, which hold the network by its name
        get_layer = staticmethod(lambda _: model)

    set_weights(_Outer(), cut(network, flat))
    return model


def one(network: Network, flat: Any, window: Window, y: Any, index: int, step: int) -> tuple[float, Any]:
    """Loss and gradient of a window's forecast from its first ``step`` steps."""
    model = in_keras(replace(network, lookback=step, padded=False), flat)
    first = step - 1 if network.sequence else 0
    ahead = slice(first, first + HORIZON)
    x, level = normalised(Window(window.x[index : index + 1, :step]), network.normalise, network.own)
    given = [tf.constant(x)]
    if window.ahead is not None:
        given.append(tf.constant(window.ahead[index : index + 1, ahead]))
    with tf.GradientTape() as tape:
        forecast = model(given if len(given) > 1 else given[0], training=True)
        forecast = forecast if level is None else level.back(forecast)
        loss = tf.reduce_sum(tf.square(forecast - y[index : index + 1, ahead]))
    found = tape.gradient(loss, model.trainable_variables)
    names = [variable.path.split("/")[-2:] for variable in model.trainable_variables]
    return float(loss), in_order(network, names, found)


def in_order(network: Network, names: list[list[str]], gradients: Any) -> Any:
    """Keras's gradients in the order of the network's weights: the local decoder's layers come last."""
    local = ["head", "local_state", "local_ahead", "local_output"]
    rank = [local.index(layer) + 1 if layer in local else 0 for layer, _ in names]
    order = sorted(range(len(names)), key=lambda index: rank[index])
    assert [tuple(gradients[index].shape) for index in order] == network.shapes()
    return np.concatenate([np.ravel(gradients[index]) for index in order])


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_loss_and_gradient_are_those_of_keras_layers_on_each_step_alone(name: str, kind: str) -> None:
    network = network_of(name)
    wanted = by_keras(network)
    assert np.abs(wanted["gradient"]).max() > 1e-2  # or the case would show nothing

    assert_same(by_engine(network, KINDS[kind]), wanted)


@pytest.mark.parametrize("name", SHAPES)
def test_layers_of_keras_own_do_the_same(name: str) -> None:
    """What a GPU runs."""
    ours = network_of(name)
    kernels = KernelNetwork(**vars(ours))

    assert_same(by_engine(kernels, PLAIN), by_engine(ours, PLAIN))
    window, _ = window_of(replace(ours, sequence=False))
    found = [
        replace(each, sequence=False).apply(PLAIN, each.unflatten(weights(each)), window)
        for each in (kernels, ours)
    ]
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-4, atol=1e-5)
    for kernel, own in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_allclose(kernel, own, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in SHAPES if "sequence" not in name])
def test_the_forecast_is_that_of_keras_layers(name: str) -> None:
    network = network_of(name)
    window, _ = window_of(network)
    model = in_keras(network, weights(network))
    x, level = normalised(window, network.normalise, network.own)
    given = [tf.constant(each) for each in (x, window.ahead, window.length) if each is not None]
    wanted = model(given if len(given) > 1 else given[0])
    wanted = wanted if level is None else level.back(wanted)

    found, _ = network.apply(PLAIN, network.unflatten(weights(network)), window)

    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_what_lies_behind_a_short_windows_end_says_nothing() -> None:
    network = network_of("known-padded-moments")
    window, _ = window_of(network)
    behind = np.arange(LOOKBACK) >= LENGTHS[:, None]
    other = replace(window, x=np.where(behind[:, :, None], 77.0, window.x).astype(np.float32))

    found = [network.apply(PLAIN, network.unflatten(weights(network)), each)[0] for each in (window, other)]

    np.testing.assert_array_equal(found[0], found[1])
