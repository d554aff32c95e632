"""Small changes of a configuration: within the space, and only of what weights can be trained on with."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.dimensions import Boolean, Choice, Dimension, Float, Int
from jobs.params import resolve, space_of
from jobs.space import Condition, Parameter, Space
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


RATE = Float(min=1e-4, max=1e-1, sampling="log")


def space(**dimensions: Dimension) -> Space:
    return Space(tuple(Parameter(name, each) for name, each in dimensions.items()), depth=lambda _: 0)


def test_what_a_users_network_calls_its_rates_is_changed_and_its_sizes_are_not() -> None:
    found = space(
        learning_rate=RATE,
        lr=RATE,
        dropout_2=RATE,
        dropout_rate=RATE,
        dropout=Boolean(),  # whether there is such a layer
        units_0=Int(min=1, max=9),
        cell=Choice(options=("gru", "lstm")),
        floor=RATE,
    )

    assert [each.name for each in mutable(found)] == ["learning_rate", "lr", "dropout_2", "dropout_rate"]


def test_a_changed_rate_stays_in_its_range() -> None:
    found = space(learning_rate=RATE, units=Int(min=1, max=9))
    for seed in range(20):
        values = mutated(found, {"learning_rate": 0.09, "units": 3}, [seed])
        rate = values["learning_rate"]
        assert isinstance(rate, float)
        assert rate != 0.09
        assert 1e-4 <= rate <= 1e-1
        assert values["units"] == 3


def test_of_what_shares_a_name_only_what_holds_is_changed() -> None:
    """Each within its own values, whichever of the two the trial has."""
    kind = Parameter("kind", Choice(options=("rnn", "dense")))
    rates = [Float(min=0.1, max=0.5, step=0.1), Float(min=10.0, max=90.0, step=10.0)]
    scopes = [(Condition("kind", (name,)),) for name in ("rnn", "dense")]
    both = [Parameter("lr", rate, when=when) for rate, when in zip(rates, scopes, strict=True)]
    found = Space((kind, *both), depth=lambda _: 0)

    for name, rate, value in (("rnn", rates[0], 0.2), ("dense", rates[1], 40.0)):
        changes = {mutated(found, {"kind": name, "lr": value}, [seed])["lr"] for seed in range(30)}
        assert changes <= set(rate.values() or [])
        assert len(changes) > 2


def test_what_others_depend_on_is_not_changed() -> None:
    rate = Parameter("dropout", Float(min=0.0, max=0.5, step=0.1))
    child = Parameter("learning_rate", RATE, when=(Condition("dropout", (0.0,)),))

    assert mutable(Space((rate, child), depth=lambda _: 0)) == [child]
