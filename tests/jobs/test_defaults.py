"""A job's own configuration, and those of other jobs as its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.defaults import default_values, fitting
from jobs.dimensions import Boolean, Choice, Float, Int, Scalar
from jobs.params import hyperparameters, resolve, space_of
from jobs.spec import Job
from tests.jobs.small import job as parsed

WIDE: dict[str, Any] = {
    "model.cell": "{choice: [simple_rnn, gru]}",
    "model.layers": "{int: {min: 1, max: 3}}",
    "model.units": "{int: {min: 8, max: 128, step: 8}, per_layer: true}",
    "model.dropout": "{float: {min: 0.0, max: 0.5, step: 0.1}}",
    "train.learning_rate": "{float: {min: 1e-4, max: 1e-1, sampling: log}}",
    "window.scale": "{choice: [standard, instance]}",
}


def make_job(**overrides: str) -> Job:
    return parsed(*(f"{name}={value}" for name, value in overrides.items()))


@pytest.mark.parametrize(
    ("dimension", "value", "wanted"),
    [
        (Int(min=4, max=32, step=4), 64, 32),
        (Int(min=4, max=32, step=4), 9, 8),
        (Int(min=1, max=3), None, 1),
        (Int(min=1, max=1000, sampling="log"), 64, 64),
        (Float(min=0.0, max=0.5, step=0.1), 0.26, 0.3),
        (Float(min=1e-4, max=1e-2, sampling="log"), 1e-3, 1e-3),
        (Float(min=0.5, max=2.0), None, 0.5),
        (Choice(options=("relu", "tanh")), "tanh", "tanh"),
        (Choice(options=("relu", "elu")), "tanh", "relu"),
        (Choice(options=(True, 1)), 1, 1),
        (Boolean(), True, True),
        (Boolean(), "yes", False),
    ],
)
def test_the_nearest_value(dimension: Any, value: Scalar, wanted: Scalar) -> None:
    found = dimension.nearest(value)

    assert (type(found), found) == (type(wanted), wanted)


def test_a_jobs_default_is_of_each_field_the_nearest_value_to_its_own() -> None:
    assert default_values(make_job(**WIDE)) == {
        "window.scale": "standard",
        "model.cell": "gru",
        "model.layers": 1,
        "model.units.0": 64,
        "model.dropout": 0.0,
        "train.learning_rate": 1e-3,
    }
    layers = make_job(
        **{"model.layers": "[{units: {int: {min: 70, max: 90}}}, {cell: {choice: [lstm, gru]}}]"}
    )
    assert default_values(layers) == {"model.layers.0.units": 70, "model.layers.1.cell": "gru"}
    assert default_values(make_job()) == {}


def test_what_was_found_before_there_were_defaults_has_the_least_and_the_first() -> None:
    asks = "[{name: kind, values: {choice: [a, b]}}, {name: units, values: {int: {min: 2, max: 3}}}]"
    job = make_job(model=f"{{build: mine:build, found: {{kind: keras, compiled: null, asks: {asks}}}}}")

    assert default_values(job) == {"kind": "a", "units": 2}


def sampled(job: Job, seed: int) -> dict[str, Scalar]:
    return space_of(job).sample(np.random.default_rng(seed))


@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_a_configuration_fits_its_own_job(seed: int) -> None:
    job = make_job(**WIDE)
    values = sampled(job, seed)

    assert fitting(job, hyperparameters(job, values)) == values


@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_what_fits_another_job_trains_the_same_network(seed: int) -> None:
    """One in which layers are alike, and no larger."""
    wide = make_job(**WIDE)
    narrow = make_job(**WIDE | {"model.units": "{int: {min: 8, max: 64, step: 8}}"})
    values = sampled(wide, seed)

    found = fitting(narrow, hyperparameters(wide, values))

    units = {value for name, value in values.items() if name.startswith("model.units")}
    if found is None:
        assert len(units) > 1 or max(int(each or 0) for each in units) > 64
    else:
        assert found["model.units"] in units
        if len(units) == 1:
            assert resolve(narrow, found) == resolve(wide, values)
