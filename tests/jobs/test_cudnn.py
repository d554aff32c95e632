"""Which networks a GPU runs by cuDNN's kernels."""

from __future__ import annotations

import pytest

from jobs.cudnn import choices_off_cudnn, off_cudnn
from jobs.params import LayerParams, NetworkParams, resolve
from tests.jobs.small import job

GRU, LSTM = LayerParams("gru", 3, "tanh", 0.5), LayerParams("lstm", 3, "tanh", 0.0)
RNN, RELU = LayerParams("simple_rnn", 3, "tanh", 0.0), LayerParams("lstm", 3, "relu", 0.0)


@pytest.mark.parametrize(
    ("layers", "reset_after", "backend", "why"),
    [
        ((GRU, LSTM), True, "tensorflow", None),
        ((LSTM,), False, "tensorflow", None),
        ((LSTM, GRU), False, "tensorflow", "layer 2 is a gru with reset_after: false"),
        ((RELU, RNN), True, "tensorflow", "layer 1 has activation relu, layer 2 is a simple_rnn"),
        ((LSTM, LSTM), True, "jax", None),
        ((LSTM, GRU), True, "jax", "layer 2 is a gru"),
    ],
)
def test_a_network_that_cudnn_has_no_kernels_for_says_why(
    layers: tuple[LayerParams, ...],
    reset_after: bool,  # noqa: FBT001
    backend: str,
    why: str | None,
) -> None:
    assert off_cudnn(NetworkParams(layers, reset_after, "linear"), backend) == why


@pytest.mark.parametrize(
    ("overrides", "found"),
    [
        ((), []),
        (("backend=jax",), ["model.cell: gru"]),
        (("model.cell={choice: [gru, simple_rnn, lstm]}",), ["model.cell: simple_rnn"]),
        (
            ("model.activation={choice: [tanh, relu, elu]}", "model.reset_after={boolean: }"),
            ["model.activation: relu", "model.activation: elu", "model.reset_after: false"],
        ),
        (
            ("model.layers=[{cell: lstm}, {cell: {choice: [gru, simple_rnn]}, activation: relu}]",),
            ["model.layers.1.cell: simple_rnn", "model.layers.1.activation: relu"],
        ),
        (("model.layers=[{cell: lstm}, {cell: lstm}]", "backend=jax", "model.reset_after=false"), []),
        (("model.layers=[{cell: lstm}, {}]", "model.reset_after=false"), ["model.reset_after: false"]),
        (("model.cell=lstm", "model.reset_after=false"), []),
        (("model.output_activation=relu", "model.units={int: {min: 1, max: 9}}"), []),
    ],
)
def test_choices_that_lead_off_cudnn_are_named(overrides: tuple[str, ...], found: list[str]) -> None:
    assert choices_off_cudnn(job(*overrides)) == found


def test_the_choices_and_the_networks_agree() -> None:
    asked = job("model.cell={choice: [gru, lstm, simple_rnn]}", "model.activation={choice: [tanh, relu]}")
    for cell in ("gru", "lstm", "simple_rnn"):
        for activation in ("tanh", "relu"):
            values = {"model.cell": cell, "model.activation": activation}
            named = {f"model.cell: {cell}", f"model.activation: {activation}"} & set(choices_off_cudnn(asked))

            assert bool(named) == bool(off_cudnn(resolve(asked, values).network, "tensorflow"))
