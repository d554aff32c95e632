"""Values of a search space: in their range, on their step, as likely as they should be, and countable."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from typing import Any

import hypothesis.strategies as st
import keras_tuner
import numpy as np
import pytest
from hypothesis import given, settings

from jobs.dimensions import Boolean, Choice, Dimension, Float, Int, parse_dimension
from jobs.params import resolve, space_of
from jobs.space import Parameter, Space, Values
from tests.jobs.small import job

FINITE = {"allow_nan": False, "allow_infinity": False}
STEADY = settings(deadline=None, max_examples=150, derandomize=True)


@st.composite
def ints(draw: st.DrawFn) -> Int:
    if draw(st.booleans()):
        low, factor = draw(st.integers(1, 10**6)), draw(st.integers(2, 10))
        high = low * factor ** draw(st.integers(0, 8))
        return Int(min=low, max=high, step=draw(st.sampled_from([None, factor])), sampling="log")
    low, step = draw(st.integers(-(10**15), 10**15)), draw(st.integers(1, 10**9))
    high = low + step * draw(st.integers(0, 10**6))
    return Int(min=low, max=high, step=draw(st.sampled_from([None, step])))


@st.composite
def floats(draw: st.DrawFn) -> Float:
    if draw(st.booleans()):
        low, factor = draw(st.floats(1e-18, 1e6)), draw(st.floats(1.5, 100.0))
        count = draw(st.integers(0, 8))
        step = draw(st.sampled_from([None, factor]))
        return Float(min=low, max=low * factor**count, step=step, sampling="log")
    low, step = draw(st.floats(-1e6, 1e6)), draw(st.floats(1e-6, 1e6))
    count = draw(st.integers(0, 50))
    return Float(min=low, max=low + step * count, step=draw(st.sampled_from([None, step])))


def on_a_step(dimension: Int | Float, value: float) -> bool:
    if dimension.step is None:
        return True
    if dimension.sampling == "log":
        steps = math.log(value / dimension.min) / math.log(dimension.step)
        return abs(steps - round(steps)) < 1e-6
    steps = (value - dimension.min) / dimension.step
    size = max(abs(dimension.min), abs(dimension.max)) / dimension.step
    return abs(steps - round(steps)) < 1e-9 + 1e-10 * size


@STEADY
@given(dimension=ints() | floats(), seed=st.integers(0, 2**32))
def test_every_sample_lies_in_the_range_and_on_the_step(dimension: Int | Float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    kind = int if isinstance(dimension, Int) else float

    for _ in range(5):
        value = dimension.sample(rng)
        assert type(value) is kind
        assert dimension.min <= value <= dimension.max
        assert on_a_step(dimension, value)


@STEADY
@given(dimension=ints() | floats(), seed=st.integers(0, 2**32))
def test_equal_seeds_give_equal_samples(dimension: Int | Float, seed: int) -> None:
    once, again = (
        [dimension.sample(rng) for _ in range(8)]
        for rng in (np.random.default_rng(seed), np.random.default_rng(seed))
    )

    assert once == again


@STEADY
@given(dimension=ints() | floats())
def test_a_dimension_reads_what_it_describes(dimension: Int | Float) -> None:
    assert parse_dimension(dimension.describe()) == dimension


@pytest.mark.parametrize(
    ("dimension", "values"),
    [
        (Int(min=1, max=3), [1, 2, 3]),
        (Int(min=50, max=150, step=20), [50, 70, 90, 110, 130, 150]),
        (Int(min=2, max=32, step=2, sampling="log"), [2, 4, 8, 16, 32]),
        (Int(min=5, max=5, step=3), [5]),
        (Float(min=0.0, max=0.5, step=0.1), [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]),
        (Float(min=-0.3, max=0.3, step=0.1), [-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3]),
        (Float(min=1e-4, max=1e-1, step=10.0, sampling="log"), [1e-4, 1e-3, 1e-2, 1e-1]),
        (Float(min=1e-15, max=1e-13, step=10.0, sampling="log"), [1e-15, 1e-14, 1e-13]),
        (Float(min=0.7, max=0.7), [0.7]),
        (Float(min=0.0, max=1.0), None),
        (Choice(options=("b", "a")), ["b", "a"]),
        (Choice(options=(1, True, None)), [1, True, None]),
        (Boolean(), [False, True]),
    ],
)
def test_values_are_what_a_person_would_write(dimension: Dimension, values: list[Any] | None) -> None:
    found = dimension.values()

    assert found == values
    assert dimension.count() == (math.inf if values is None else len(values))


def test_a_range_of_a_billion_numbers_is_never_written_out() -> None:
    wide = Int(min=1, max=10**12)

    assert 1 <= wide.sample(np.random.default_rng(0)) <= 10**12  # type: ignore[operator]
    assert Space((Parameter("train.batch_size", wide),), depth=lambda _: 1).size() == 10**12


# How likely


def buckets(dimension: Dimension, edges: list[float], count: int = 4000) -> list[int]:
    rng = np.random.default_rng(20_240_101)
    found, _ = np.histogram([dimension.sample(rng) for _ in range(count)], bins=edges)
    return [int(number) for number in found]


def chi_square(found: list[int], wanted: list[float]) -> float:
    return sum((seen - due) ** 2 / due for seen, due in zip(found, wanted, strict=True))


@pytest.mark.parametrize(
    ("dimension", "edges"),
    [
        (Float(min=1e-4, max=1.0, sampling="log"), [1e-4, 1e-3, 1e-2, 1e-1, 1.0]),
        (Float(min=2.0, max=10.0), [2.0, 4.0, 6.0, 8.0, 10.0]),
        (Int(min=1, max=4), [0.5, 1.5, 2.5, 3.5, 4.5]),
        (Int(min=1, max=8, step=2, sampling="log"), [0.5, 1.5, 3.0, 6.0, 9.0]),
        (Int(min=1, max=2**12 - 1, sampling="log"), [0.5, 7.5, 63.5, 511.5, 4095.5]),
    ],
)
def test_each_quarter_is_as_likely_in_the_sampling_it_names(dimension: Dimension, edges: list[float]) -> None:
    assert chi_square(buckets(dimension, edges), [1000.0] * 4) < 16.3  # p = 0.001 at 3 degrees of freedom


# Counting


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["model.units={choice: [4, 8, 16]}", "train.learning_rate={choice: [0.1, 0.01]}"],
        ["model.layers={int: {min: 1, max: 3}}", "model.units={choice: [4, 8]}"],
        ["model.layers={int: {min: 1, max: 3}}", "model.units={choice: [4, 8], per_layer: true}"],
        [
            "model.layers={choice: [1, 3]}",
            "model.per_layer=true",
            "model.units={int: {min: 4, max: 12, step: 4}}",
            "model.dropout={float: {min: 0.0, max: 0.1, step: 0.1}}",
            "model.cell={choice: [gru, lstm]}",
        ],
        ["model.layers=2", "model.per_layer=true", "model.activation={choice: [tanh, relu]}"],
        ["model.layers=[{units: {choice: [4, 8]}}, {}]", "model.cell={choice: [gru, lstm], per_layer: true}"],
        ["model.reset_after={boolean: }", "window.lookback={int: {min: 4, max: 16, step: 2, sampling: log}}"],
    ],
)
def test_the_size_is_the_number_of_different_configurations(overrides: list[str]) -> None:
    chosen = job(*overrides)
    space = space_of(chosen)
    every = [parameter.dimension.values() for parameter in space.parameters]
    assert None not in every
    combined = [
        space.active(dict(zip(space.names(), values, strict=True)))
        for values in itertools.product(*(list(values or []) for values in every))
    ]

    different = {repr(values) for values in combined}
    configurations = {repr(resolve(chosen, values)) for values in combined}

    assert space.size() == len(different) == len(configurations)


def test_a_continuous_range_makes_the_space_endless() -> None:
    space = space_of(job("train.learning_rate={float: {min: 0.1, max: 0.2}}", "model.units={choice: [1, 2]}"))

    assert space.size() == math.inf


def test_only_the_layers_that_a_sample_has_get_values() -> None:
    space = space_of(
        job("model.layers={int: {min: 1, max: 3}}", "model.units={choice: [4], per_layer: true}")
    )
    rng = np.random.default_rng(3)
    depths: Counter[int] = Counter()

    for _ in range(60):
        values: Values = space.sample(rng)
        depth = values["model.layers"]
        assert isinstance(depth, int)
        assert list(values) == ["model.layers", *(f"model.units.{index}" for index in range(depth))]
        depths[depth] += 1

    assert sorted(depths) == [1, 2, 3]


# KerasTuner


@STEADY
@given(dimension=ints())
def test_whole_numbers_are_keras_tuners(dimension: Int) -> None:
    if dimension.sampling == "log" and dimension.step is None:
        return  # KerasTuner lists ten examples of a range without a step
    if dimension.count() > 1000:
        return  # too many to list
    hp = keras_tuner.HyperParameters()
    hp.Int("n", dimension.min, dimension.max, step=dimension.step, sampling=dimension.sampling)

    assert [int(value) for value in hp.space[0].values] == dimension.values()


@pytest.mark.parametrize(
    ("low", "high", "step", "sampling"),
    [
        (0.0, 1.0, 0.25, "linear"),
        (1.0, 5.0, 0.5, "linear"),
        (1e-4, 1e-1, 10.0, "log"),
        (0.001, 0.016, 2.0, "log"),
        (0.2, 0.2, 0.1, "linear"),
    ],
)
def test_real_numbers_are_keras_tuners(low: float, high: float, step: float, sampling: Any) -> None:
    hp = keras_tuner.HyperParameters()
    hp.Float("x", low, high, step=step, sampling=sampling)

    ours = list(Float(min=low, max=high, step=step, sampling=sampling).values() or [])

    np.testing.assert_allclose(list(hp.space[0].values), ours, rtol=1e-12)


def test_the_end_of_a_range_is_kept_where_keras_tuners_rounding_loses_it() -> None:
    hp = keras_tuner.HyperParameters()
    hp.Float("x", 0.0, 0.5, step=0.1)

    assert len(list(hp.space[0].values)) == 5  # 0.5 // 0.1 is 4
    assert list(Float(min=0.0, max=0.5, step=0.1).values() or []) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]


def test_choices_are_keras_tuners() -> None:
    hp = keras_tuner.HyperParameters()
    hp.Choice("c", ["tanh", "relu"])
    hp.Boolean("b")

    assert list(hp.space[0].values) == list(Choice(options=("tanh", "relu")).values() or [])
    assert set(hp.space[1].values) == set(Boolean().values() or [])
