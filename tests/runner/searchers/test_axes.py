"""A space in numbers: each value has one, and each number gives the value that the job file names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.dimensions import Boolean, Choice, Dimension, Float, Int, Scalar
from jobs.params import space_of
from jobs.space import Condition, Parameter, Space
from runner.searchers.axes import Axes, Axis
from tests.runner.curves import make_job


def axis_of(dimension: Dimension) -> Axis:
    return Axes.of(Space((Parameter("p", dimension),), depth=lambda _: 1)).all[0]


@pytest.mark.parametrize(
    "dimension",
    [
        Int(min=2, max=11, step=3),
        Int(min=-3, max=3),
        Int(min=2, max=32, step=2, sampling="log"),
        Float(min=0.0, max=0.5, step=0.1),
        Float(min=1e-4, max=1e-1, step=10, sampling="log"),
        Float(min=0.25, max=0.25),
        Choice(options=(1, True, 1.0, "1", None)),
        Boolean(),
    ],
)
def test_the_numbers_from_low_to_high_are_the_values_in_their_order(dimension: Dimension) -> None:
    axis = axis_of(dimension)

    values = [axis.value(number) for number in range(int(axis.low), int(axis.high) + 1)]

    expected = dimension.values()
    assert expected is not None
    assert [(type(value), value) for value in values] == [(type(value), value) for value in expected]
    assert [axis.number(value) for value in values] == list(range(len(values)))


@given(st.floats(-1, 1))
def test_a_real_number_is_its_own(value: float) -> None:
    axis = axis_of(Float(min=-1.0, max=1.0))

    assert axis.number(value) == value == axis.value(value)


@pytest.mark.parametrize(
    ("dimension", "value"),
    [
        (Int(min=2, max=11, step=3), 3),
        (Int(min=2, max=11, step=3), 14),
        (Int(min=2, max=11, step=3), 5.0),
        (Int(min=0, max=1), True),
        (Float(min=0.0, max=1.0), 1.5),
        (Float(min=0.0, max=1.0), None),
        (Float(min=0.0, max=0.5, step=0.1), 0.15),
        (Choice(options=(1, "a")), True),
        (Choice(options=(1, "a")), "b"),
        (Boolean(), 1),
    ],
)
def test_what_is_none_of_the_values_has_no_number(dimension: Dimension, value: Scalar) -> None:
    assert axis_of(dimension).number(value) is None


def test_whole_numbers_are_among_real_ones_and_their_steps() -> None:
    assert axis_of(Float(min=0.0, max=1.0)).number(1) == 1.0
    assert axis_of(Float(min=0.0, max=1.0, step=0.5)).number(1) == 2


def test_numbers_that_rounding_has_put_outside_stand_for_the_ends() -> None:
    assert axis_of(Float(min=0.1, max=0.3)).value(0.30000000000000004) == 0.3
    assert axis_of(Int(min=1, max=1000, sampling="log")).value(1001) == 1000


def test_a_configuration_has_numbers_where_its_layers_are_those_of_its_depth() -> None:
    job = make_job(
        model={
            "layers": "{int: {min: 1, max: 2}}",
            "units": "{int: {min: 4, max: 8, step: 4}}",
            "per_layer": "true",
        }
    )
    axes = Axes.of(space_of(job))

    assert axes.point({"model.layers": 1, "model.units.0": 8}) == {"model.layers": 0, "model.units.0": 1}
    assert axes.point({"model.layers": 2, "model.units.0": 8}) is None
    assert axes.point({"model.layers": 1, "model.units.0": 8, "model.units.1": 8}) is None
    assert axes.point({"model.layers": 1, "model.units.0": 8, "train.loss": "mse"}) is None
    assert axes.values({"model.layers": 0, "model.units.0": 1, "model.units.1": 0}) == {
        "model.layers": 1,
        "model.units.0": 8,
    }


def test_a_name_that_is_shared_has_a_number_for_each_that_has_it() -> None:
    kind = Parameter("kind", Choice(options=("rnn", "dense")))
    small = Parameter("units", Int(min=2, max=4), when=(Condition("kind", ("rnn",)),))
    large = Parameter("units", Int(min=20, max=40), when=(Condition("kind", ("dense",)),))
    odd = Parameter("units'", Boolean())
    axes = Axes.of(Space((kind, small, large, odd), depth=lambda _: 1))

    assert [axis.key for axis in axes.all] == ["kind", "units", "units''", "units'"]
    assert axes.point({"kind": "rnn", "units": 3, "units'": True}) == {"kind": 0, "units": 1, "units'": 1}
    assert axes.point({"kind": "dense", "units": 21, "units'": True}) == {
        "kind": 1,
        "units''": 1,
        "units'": 1,
    }
    assert axes.point({"kind": "dense", "units": 3, "units'": True}) is None
    assert axes.values({"kind": 1, "units": 2, "units''": 5}) == {
        "kind": "dense",
        "units": 25,
        "units'": False,
    }
