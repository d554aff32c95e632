"""Job files with ``model.build``: what they may say beside it, and what is written back."""

from __future__ import annotations

from pathlib import Path

import keras
import pytest

from jobs.errors import JobError
from jobs.jobfile import dump_job, parse_job
from jobs.material import Shapes
from jobs.params import Params, hyperparameters, resolve, space_of
from jobs.usermodel import output_shape
from tests.jobs.small import MINIMAL, job, refusal

BUILD = "model={build: mine:build}"
FOUND = (
    "model={build: mine:build, found: {kind: keras, "
    "compiled: {optimizer: adam, learning_rate: null, loss: mse}, "
    "asks: [{name: kind, values: {choice: [a, b]}}, "
    "{name: units, values: {int: {min: 1, max: 3}}, when: [{name: kind, values: [a]}]}]}}"
)


def test_a_job_reads_what_it_writes() -> None:
    found = job(FOUND, "train.max_epochs=7")

    assert parse_job(dump_job(found), source="spec.yaml") == found
    assert "learning_rate: 0.001" not in dump_job(found)


def test_the_space_has_the_functions_names_and_scopes() -> None:
    space = space_of(job(FOUND, "train.batch_size={choice: [8, 16]}"))

    assert space.names() == ["train.batch_size", "kind", "units"]
    assert space.size() == 2 * (3 + 1)


def test_a_trial_carries_the_functions_values_and_no_layers() -> None:
    found = job(FOUND, "search.executions_per_trial=3")
    params = resolve(found, {"kind": "a", "units": 2})

    assert params.build is not None
    assert (params.build.values, params.network.layers) == ({"kind": "a", "units": 2}, ())
    assert (params.train.loss, params.train.executions) == ("loss", 3)
    assert Params.from_json(params.to_json()) == params
    shown = hyperparameters(found, {"kind": "a", "units": 2})
    assert list(shown)[:2] == ["kind", "units"]
    assert "train.batch_size" in shown
    assert not {"train.loss", "train.optimizer", "train.learning_rate", "model.layers"} & set(shown)


def test_the_module_is_looked_for_beside_the_job_file() -> None:
    found = parse_job(MINIMAL, source="job.yaml", folder=Path("/jobs"), overrides=[BUILD])

    assert found.model.model_dump()["folder"] == "/jobs"


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["model={build: mine}"], "model.build: names a module and a function or class in it"),
        (
            ["model={build: mine:build, cell: gru}"],
            "model: build decides on the whole network; leave cell out",
        ),
        ([BUILD, "data.future=[z]"], "data.future: model.build is given whole windows of the history alone"),
        ([BUILD, "data.short=pad"], "data.short: model.build is given whole windows"),
        ([BUILD, "window.output=sequence"], "window.output: model.build is given whole windows"),
        ([FOUND, "train.loss=mae"], "train.loss: mine:build compiles its networks itself, not with mae"),
        (
            [FOUND, "train.optimizer=sgd"],
            "train.optimizer: mine:build compiles its networks itself, not with sgd",
        ),
        ([FOUND, "train.learning_rate=0.1"], "train.learning_rate: mine:build compiles its networks itself"),
        (
            [FOUND, "train.schedule=cosine"],
            "train.schedule: mine:build compiles its networks itself, not with",
        ),
        (
            [FOUND, "train.clip_norm=1.0"],
            "train.clip_norm: mine:build compiles its networks itself, not with",
        ),
    ],
)
def test_what_does_not_go_with_a_function_is_refused(overrides: list[str], said: str) -> None:
    assert said in refusal(*overrides)


def test_what_agrees_with_the_compile_may_be_written() -> None:
    assert job(FOUND, "train.loss=mse", "train.optimizer=adam").train.loss == "mse"


@pytest.mark.parametrize(
    "default", ["schedule=constant", "precision=float32", "quantile=0.5", "clip_norm=null"]
)
def test_a_default_of_what_no_compile_tells_contradicts_none(default: str) -> None:
    assert job(FOUND, f"train.{default}") == job(FOUND)


SHAPES = Shapes(6, ("a", "b", "c"), 4, ("a", "b"))


@pytest.mark.parametrize(
    ("shapes", "output"),
    [
        (SHAPES, (4, 2)),
        (Shapes(6, ("a",), 4, ("a",)), (4,)),
        (Shapes(6, ("a",), 4, ("a",)), (4, 1)),
        (Shapes(6, ("a",), 1, ("a",)), (1,)),
    ],
)
def test_forecasts_of_the_jobs_shape_are_taken(shapes: Shapes, output: tuple[int, ...]) -> None:
    layers = [
        keras.layers.Flatten(),
        keras.layers.Dense(4 * len(shapes.targets) if shapes.horizon > 1 else 1),
    ]
    model = keras.Sequential([*layers, keras.layers.Reshape(output)])

    assert output_shape(model, shapes) == output


def test_forecasts_of_another_shape_are_refused() -> None:
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(4)])
    with pytest.raises(JobError) as error:
        output_shape(model, SHAPES)

    assert str(error.value) == (
        "model.build: the network's output is (batch, 4), and forecasts of window.horizon 4 for 2 target(s) "
        "are (batch, 4, 2)"
    )
