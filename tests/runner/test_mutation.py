"""Small changes of a configuration: within the space, and only of what weights can be trained on with."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.params import resolve, space_of
from runner.mutation import mutable, mutated
from tests.runner.curves import make_job

JOB = make_job(
    model={
        "cell": "{choice: [gru, lstm]}",
        "layers": "{int: {min: 1, max: 3}}",
        "units": "{int: {min: 4, max: 8}}",
        "dropout": "{float: {min: 0.0, max: 0.5, step: 0.1}, per_layer: true}",
    },
    train={
        "learning_rate": "{float: {min: 1e-4, max: 1e-1, sampling: log}}",
        "batch_size": "{choice: [16, 32, 64]}",
        "optimizer": "{choice: [adam, sgd]}",
    },
    window={"stride": "{int: {min: 1, max: 9}}"},
)
SPACE = space_of(JOB)


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 1000))
def test_a_mutation_trains_the_same_weights_in_another_way(seed: int, other: int) -> None:
    values = SPACE.sample(np.random.default_rng(seed))

    found = mutated(SPACE, values, [seed, other])

    assert found == mutated(SPACE, values, [seed, other])
    assert SPACE.active({p.name: None for p in SPACE.parameters} | found) == found
    for parameter in SPACE.parameters:
        if parameter.name in found:
            value = found[parameter.name]
            assert type(parameter.dimension.nearest(value)) is type(value)
            assert parameter.dimension.nearest(value) == value
    one, two = resolve(JOB, values), resolve(JOB, found)
    assert [(layer.cell, layer.units) for layer in one.network.layers] == [
        (layer.cell, layer.units) for layer in two.network.layers
    ]
    assert one.train.optimizer == two.train.optimizer


def test_what_is_mutable() -> None:
    assert [parameter.name for parameter in mutable(SPACE)] == [
        "window.stride",
        "model.dropout.0",
        "model.dropout.1",
        "model.dropout.2",
        "train.learning_rate",
        "train.batch_size",
    ]


def test_most_mutations_change_something() -> None:
    values = SPACE.sample(np.random.default_rng(0))

    assert sum(mutated(SPACE, values, [seed]) != values for seed in range(50)) > 45
