"""Networks of Keras's own layers: what a GPU runs by cuDNN computes what the engine's recurrences compute."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from jobs import learner as learning
from jobs.engine.kernels import KernelNetwork
from jobs.engine.network import Network
from jobs.engine.programs import Evaluation, Training, fresh_state
from jobs.engine.shape import Shape
from jobs.engine.window import Normalise
from jobs.learner import Learner
from jobs.params import LayerParams, NetworkParams
from tests.jobs.small import panel, params, unscaled

BATCH, CALLS = 8, 4


def nets(cell: str, *, instance: bool = False, dtype: str = "float32") -> tuple[Network, KernelNetwork]:
    layers = (LayerParams(cell, 5, "tanh", 1.0), LayerParams(cell, 4, "tanh", 0.0))
    normalise: Normalise = "last" if instance else "none"
    params = NetworkParams(layers, reset_after=True, output_activation="linear")
    ours = Network(params, 7, 3, 2, 1, normalise=normalise, own=3 if instance else 0, dtype=dtype)
    return ours, KernelNetwork(**{field.name: getattr(ours, field.name) for field in fields(ours)})


def batches() -> dict[str, Any]:
    draw = np.random.default_rng(0)
    return {
        "x": draw.normal(size=(CALLS, BATCH, 7, 3)).astype(np.float32),
        "y": draw.normal(size=(CALLS, BATCH, 2, 1)).astype(np.float32),
        "valid": np.array([BATCH, BATCH, BATCH, 3], np.int32),
    }


def outcome(network: Network, rate: float = 0.0) -> list[np.ndarray[Any, Any]]:
    """Weights after four steps, their losses and gradients' norms, and an evaluation."""
    shape = Shape(network, "mse", 0.5, BATCH, CALLS, xla=False)
    training = Training(shape, "adam")
    given = {
        "rates": np.array([rate, 0], np.float32),
        "seed": np.int32(1),
        "clip": np.float32(np.inf),
    }
    arrays = [network.initial(3), *fresh_state(network, "adam")]
    schedule = {"learning_rates": np.full(CALLS, 0.01, np.float32), "step": 0}
    after, losses, norms = training(arrays, batches(), CALLS, given | schedule)
    sums, largest = Evaluation(shape)(after[0], batches(), CALLS)
    return [np.asarray(after[0]), losses, norms, sums, largest]


@pytest.mark.parametrize("instance", [False, True])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_both_compute_the_same(cell: str, instance: bool) -> None:  # noqa: FBT001
    ours, kernels = (outcome(network) for network in nets(cell, instance=instance))

    for one, other in zip(kernels, ours, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_dropout_acts_on_both() -> None:
    _, kernels = nets("gru")

    free, dropped = outcome(kernels), outcome(kernels, rate=0.5)

    assert not np.allclose(free[1], dropped[1], rtol=1e-3)
    assert np.isfinite(dropped[0]).all()


def test_lower_precision_is_close() -> None:
    ours, kernels = (outcome(network)[1] for network in (nets("lstm")[0], nets("lstm", dtype="bfloat16")[1]))

    np.testing.assert_allclose(kernels, ours, rtol=0.05)
    assert not np.array_equal(kernels, ours)


# Which networks a learner takes


@pytest.mark.parametrize(
    ("layer", "gpu", "kind", "xla"),
    [
        (LayerParams("gru", 3, "tanh", 0.0), True, KernelNetwork, False),
        (LayerParams("gru", 3, "relu", 0.0), True, Network, True),
        (LayerParams("simple_rnn", 3, "tanh", 0.0), True, Network, True),
        (LayerParams("gru", 3, "tanh", 0.0), False, Network, False),
    ],
)
def test_a_gpu_runs_kernels_or_xla(
    monkeypatch: pytest.MonkeyPatch,
    layer: LayerParams,
    gpu: bool,  # noqa: FBT001
    kind: type,
    xla: bool,  # noqa: FBT001
) -> None:
    made: list[Shape] = []
    real = learning.training_program

    def program(shape: Shape, optimizer: str) -> Training:
        made.append(shape)
        return real(replace(shape, xla=False), optimizer)  # its compilation is not what is looked at

    monkeypatch.setattr(learning, "training_program", program)
    monkeypatch.setattr(learning, "_XLA_PAYS", 10**9)
    found = panel(60)
    learner = Learner(params(layers=(layer,)), found, unscaled(found), 1, gpu=gpu)

    learner.expect(16, 8)

    assert (type(made[-1].network), made[-1].xla) == (kind, xla)
