"""A job and chosen values give one configuration, and its hyperparameters by name."""

from __future__ import annotations

import json

import pytest

from jobs.errors import JobError
from jobs.jobfile import parse_job
from jobs.params import LayerParams, Params, WindowParams, hyperparameters, resolve, space_of
from tests.jobs.small import PARAMS, job

SEARCHED = (
    "model.layers={int: {min: 1, max: 3}}",
    "model.units={choice: [4, 8], per_layer: true}",
    "model.cell={choice: [gru, lstm]}",
    "window.lookback={choice: [6, 12]}",
    "train.learning_rate={float: {min: 0.1, max: 0.2}}",
)


def test_searched_fields_are_named_as_in_the_file_and_in_its_order() -> None:
    assert space_of(job(*SEARCHED)).names() == [
        "window.lookback",
        "model.cell",
        "model.layers",
        "model.units.0",
        "model.units.1",
        "model.units.2",
        "train.learning_rate",
    ]


def test_fields_of_listed_layers_are_named_by_their_place() -> None:
    chosen = job(
        "model.layers=[{units: {choice: [4, 8]}}, {cell: {choice: [gru, lstm]}}]",
        "model.dropout={choice: [0.0, 0.1], per_layer: true}",
    )

    assert space_of(chosen).names() == [
        "model.layers.0.units",
        "model.layers.1.cell",
        "model.dropout.0",
        "model.dropout.1",
    ]


def test_chosen_values_take_the_place_of_dimensions() -> None:
    values = {
        "window.lookback": 6,
        "model.cell": "lstm",
        "model.layers": 2,
        "model.units.0": 4,
        "model.units.1": 8,
        "train.learning_rate": 0.15,
    }

    params = resolve(job(*SEARCHED), values)

    assert params.window == WindowParams(6, 2, stride=1, evaluation_stride=1, scale="standard")
    assert params.network.layers == (
        LayerParams("lstm", 4, "tanh", 0.0),
        LayerParams("lstm", 8, "tanh", 0.0),
    )
    assert (params.train.learning_rate, params.train.patience) == (0.15, 5)


def test_a_layers_own_field_goes_before_the_models() -> None:
    chosen = job(
        "model.layers=[{cell: lstm, dropout: 0.5}, {units: {choice: [3]}}]",
        "model.units={choice: [4, 8]}",
        "model.activation=relu",
    )

    layers = resolve(chosen, {"model.units": 8, "model.layers.1.units": 3}).network.layers

    assert layers == (LayerParams("lstm", 8, "relu", 0.5), LayerParams("gru", 3, "relu", 0.0))


def test_no_early_stopping_is_no_patience() -> None:
    stopped, free = (
        resolve(job(f"train.early_stopping={value}"), {}).train
        for value in ("{patience: 2, min_delta: 0.1}", "null")
    )

    assert (stopped.patience, stopped.min_delta) == (2, 0.1)
    assert (free.patience, free.min_delta) == (None, 0.0)


def test_a_value_that_was_not_chosen_is_missed() -> None:
    with pytest.raises(JobError) as error:
        resolve(job("model.units={choice: [4, 8]}"), {})

    assert str(error.value) == "no value for the searched hyperparameter model.units"


@pytest.mark.parametrize(
    ("override", "field"),
    [
        ("window.lookback={int: {min: 4, max: 8}, per_layer: true}", "window.lookback"),
        ("model.layers={int: {min: 1, max: 3}, per_layer: true}", "model.layers"),
        ("train.batch_size={choice: [4, 8], per_layer: true}", "train.batch_size"),
    ],
)
def test_only_a_layers_fields_are_searched_by_layer(override: str, field: str) -> None:
    with pytest.raises(JobError) as error:
        space_of(job(override))

    assert str(error.value) == f"{field}: per_layer is for cell, units, activation, dropout of the model"


def test_hyperparameters_are_all_of_them_fixed_ones_too() -> None:
    values = {"model.layers": 2, "model.units.0": 4, "model.units.1": 8}
    chosen = job("model.layers={choice: [1, 2]}", "model.units={choice: [4, 8], per_layer: true}")

    assert hyperparameters(chosen, values) == {
        "window.lookback": 96,
        "window.horizon": 2,
        "window.stride": 1,
        "window.evaluation_stride": 1,
        "window.scale": "standard",
        "window.scale_by": "all",
        "window.transform": "none",
        "window.output": "last",
        "window.channel_independent": False,
        "model.layers": 2,
        "model.cell": "gru",
        "model.units.0": 4,
        "model.units.1": 8,
        "model.activation": "tanh",
        "model.dropout": 0.0,
        "model.reset_after": True,
        "model.output_activation": "linear",
        "train.optimizer": "adam",
        "train.learning_rate": 0.001,
        "train.schedule": "constant",
        "train.clip_norm": None,
        "train.loss": "mse",
        "train.quantile": 0.5,
        "train.batch_size": 64,
        "train.precision": "float32",
        "train.max_epochs": 50,
        "train.early_stopping.patience": 5,
    }


def test_hyperparameters_of_listed_layers_stand_by_layer() -> None:
    found = hyperparameters(job("model.layers=[{units: 3}, {cell: lstm}]", "train.early_stopping=null"), {})

    assert {name: value for name, value in found.items() if name.startswith("model.layers")} == {
        "model.layers.0.cell": "gru",
        "model.layers.0.units": 3,
        "model.layers.0.activation": "tanh",
        "model.layers.0.dropout": 0.0,
        "model.layers.1.cell": "lstm",
        "model.layers.1.units": 64,
        "model.layers.1.activation": "tanh",
        "model.layers.1.dropout": 0.0,
    }
    assert "train.early_stopping.patience" not in found


def test_parameters_come_back_from_their_json() -> None:
    assert Params.from_json(json.loads(json.dumps(PARAMS.to_json()))) == PARAMS


def test_a_field_that_every_listed_layer_fixes_is_not_searched() -> None:
    text = """
name: x
data: {path: p, time: t, target: y}
window: {horizon: 1}
model:
  per_layer: true
  units: {choice: [4, 8]}
  activation: {choice: [tanh, relu]}
  layers: [{units: 3}, {units: 5, activation: relu}]
"""
    space = space_of(parse_job(text, source="job.yaml"))
    assert space.names() == ["model.activation.0"]
    assert space.size() == 2
