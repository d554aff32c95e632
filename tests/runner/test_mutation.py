"""What population based training may change of a trial that goes on from another's weights."""

from __future__ import annotations

from jobs.dimensions import Boolean, Choice, Dimension, Float, Int
from jobs.space import Parameter, Space
from runner.mutation import mutable, mutated

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
