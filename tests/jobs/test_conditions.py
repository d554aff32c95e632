"""Parameters that exist only where others have certain values, as in KerasTuner's conditional scopes."""

from __future__ import annotations

import itertools

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from jobs.dimensions import Boolean, Choice, Dimension, Float, Int
from jobs.space import Condition, Parameter, Space, Values

STEADY = settings(deadline=None, max_examples=150, derandomize=True)


def space(*parameters: Parameter) -> Space:
    return Space(parameters, depth=lambda _: 0)


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    """Up to five parameters, each below up to two of those before it; names may come twice."""
    found: list[Parameter] = []
    for _ in range(draw(st.integers(1, 5))):
        dimension: Dimension = draw(
            st.sampled_from([Boolean(), Int(min=1, max=3), Choice(options=("a", "b")), Choice(options=(7,))])
        )
        when = []
        for parent in draw(st.lists(st.sampled_from(found), max_size=2, unique=True)) if found else []:
            options = parent.dimension.values() or []
            when.append(Condition(parent.name, tuple(draw(st.lists(st.sampled_from(options), min_size=1)))))
        name = draw(st.sampled_from("pqrst"))
        found.append(Parameter(name, dimension, when=tuple(when)))
    return space(*found)


def every(found: Space) -> set[str]:
    """All configurations, one by one."""
    options = [parameter.dimension.values() or [] for parameter in found.parameters]
    configurations = set()
    for values in itertools.product(*options):
        chosen: Values = {}
        for parameter, value in zip(found.parameters, values, strict=True):
            if parameter.name not in chosen and parameter.holds(dict(chosen)):
                chosen[parameter.name] = value
        configurations.add(repr(sorted(chosen.items())))
    return configurations


@STEADY
@given(found=spaces())
def test_the_size_is_the_number_of_different_configurations(found: Space) -> None:
    if len(set(found.names())) < len(found.parameters):
        return  # two ranges of one name may hold the same values, which are then counted twice
    assert found.size() == len(every(found))
    listed = [found.at(index) for index in range(int(found.size()))]
    assert {repr(sorted(values.items())) for values in listed} == every(found)
    with pytest.raises(IndexError):
        found.at(len(listed))


@STEADY
@given(found=spaces(), seed=st.integers(0, 2**32))
def test_a_sample_is_a_configuration_and_stays_one(found: Space, seed: int) -> None:
    values = found.sample(np.random.default_rng(seed))

    assert repr(sorted(values.items())) in every(found)
    assert found.active(values) == values
    assert set(values) <= set(found.names())


def test_what_lies_below_other_values_is_taken_away() -> None:
    found = space(
        Parameter("kind", Choice(options=("rnn", "dense"))),
        Parameter("units", Int(min=8, max=9), when=(Condition("kind", ("rnn",)),)),
        Parameter("gate", Boolean(), when=(Condition("kind", ("rnn",)), Condition("units", (9,)))),
    )

    assert found.active({"kind": "dense", "units": 8, "gate": True}) == {"kind": "dense"}
    assert found.active({"kind": "rnn", "units": 8, "gate": True}) == {"kind": "rnn", "units": 8}
    assert found.active({"kind": "rnn", "units": 9, "gate": True}) == {
        "kind": "rnn",
        "units": 9,
        "gate": True,
    }
    assert found.size() == 1 + 1 + 2


def test_one_name_in_two_scopes_is_one_hyperparameter() -> None:
    found = space(
        Parameter("kind", Choice(options=("small", "large"))),
        Parameter("units", Int(min=1, max=2), when=(Condition("kind", ("small",)),)),
        Parameter("units", Int(min=100, max=400), when=(Condition("kind", ("large",)),)),
    )

    assert found.names() == ["kind", "units"]
    assert found.size() == 2 + 301
    for seed in range(20):
        values = found.sample(np.random.default_rng(seed))
        units = values["units"]
        assert isinstance(units, int)
        assert (units < 3) == (values["kind"] == "small")


def test_many_independent_scopes_are_counted_at_once() -> None:
    pairs = [
        [
            Parameter(f"on_{i}", Boolean()),
            Parameter(f"x_{i}", Int(min=1, max=4), when=(Condition(f"on_{i}", (True,)),)),
        ]
        for i in range(40)
    ]

    assert space(*itertools.chain(*pairs)).size() == 5**40


def test_a_continuous_range_below_one_value_makes_the_space_endless() -> None:
    found = space(
        Parameter("kind", Choice(options=("a", "b"))),
        Parameter("rate", Float(min=0.1, max=0.2), when=(Condition("kind", ("b",)),)),
    )

    assert found.size() == float("inf")
