"""The job file's fields: their defaults, and one sentence for everything that cannot be."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from jobs.spec import Job
from tests.jobs.small import job, refusal

DEFAULTS = {
    "name": "tiny",
    "data": {
        "path": "data/",
        "time": "date",
        "series": None,
        "target": ["y"],
        "past": [],
        "future": [],
        "static": [],
        "short": "error",
        "missing": "error",
        "missing_limit": None,
        "frequency": None,
        "memory": None,
        "where": [],
        "as_of": None,
        "split": {"validation": 0.2, "test": 0.2, "gap": 0, "folds": 1},
        "season": None,
    },
    "window": {
        "lookback": 96,
        "horizon": 2,
        "stride": 1,
        "evaluation_stride": 1,
        "scale": "standard",
        "scale_by": "all",
        "transform": "none",
        "output": "last",
        "channel_independent": False,
    },
    "model": {
        "cell": "gru",
        "layers": 1,
        "units": 64,
        "activation": "tanh",
        "dropout": 0.0,
        "per_layer": False,
        "reset_after": True,
        "output_activation": "linear",
    },
    "train": {
        "optimizer": "adam",
        "learning_rate": 0.001,
        "schedule": "constant",
        "clip_norm": None,
        "loss": "mse",
        "quantile": 0.5,
        "batch_size": 64,
        "precision": "float32",
        "max_epochs": 50,
        "early_stopping": {"patience": 5, "min_delta": 0.0},
        "warm_weights": False,
    },
    "search": {
        "algorithm": "random",
        "scheduler": "asha",
        "factor": 3,
        "promotion": False,
        "resource": "auto",
        "windows": 65_536,
        "min_epochs": None,
        "hyperband_iterations": 1,
        "trials": None,
        "executions_per_trial": 1,
        "start_from": [],
        "trial_timeout": None,
        "heartbeat": None,
        "seed": 0,
        "objective": "val_loss",
    },
    "resources": {"cpu": 1, "gpu": 0, "trials_per_worker": 500, "memory_gb": None, "disk_gb": None},
    "backend": "tensorflow",
    "storage": None,
}

TOP = "name, data, window, model, train, search, resources, backend, storage, schedule, promote, notify"
MODEL = "cell, layers, units, activation, dropout, per_layer, reset_after, output_activation"


def test_everything_but_five_fields_has_a_default() -> None:
    assert job().model_dump(mode="json") == DEFAULTS


@pytest.mark.parametrize(
    ("section", "field"),
    [("", "name"), ("data", "path"), ("data", "time"), ("data", "target"), ("window", "horizon")],
)
def test_the_five_fields_are_required(section: str, field: str) -> None:
    lines = {"name": "tiny", "data": {"path": "d", "time": "t", "target": "y"}, "window": {"horizon": 2}}
    part = lines[section] if section else lines
    assert isinstance(part, dict)
    del part[field]

    where = f"{section}.{field}" if section else field
    assert refusal(text=str(lines)) == f"job.yaml: {where}: is required and not given"


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("modle.units=3", "modle: unknown key; did you mean model?"),
        ("zzz=1", f"zzz: unknown key; valid keys are {TOP}"),
        ("model.unit=3", "model.unit: unknown key; did you mean units?"),
        ("model.qqq=1", f"model.qqq: unknown key; valid keys are {MODEL}"),
        ("data.split.validaton=0.1", "data.split.validaton: unknown key; did you mean validation?"),
        (
            "train.early_stopping.patiense=3",
            "train.early_stopping.patiense: unknown key; did you mean patience?",
        ),
        ("model.layers=[{cell: gru, unit: 3}]", "model.layers.0.unit: unknown key; did you mean units?"),
        ("model.layers=[{cell: gru}, {cel: gru}]", "model.layers.1.cel: unknown key; did you mean cell?"),
        ("model.units={int: {min: 1, max: 3, stp: 2}}", "model.units: stp: unknown key; did you mean step?"),
        (
            "model.layers=[{units: {int: {mni: 1, max: 3}}}]",
            "model.layers.0.units: mni: unknown key; did you mean min? (and 1 more problem)",
        ),
        (
            "model.units={itn: {min: 1, max: 3}}",
            (
                "model.units: a searched value is one of int, float, choice, boolean, found itn; "
                "did you mean int?"
            ),
        ),
    ],
)
def test_an_unknown_key_names_the_nearest_valid_one(override: str, sentence: str) -> None:
    assert refusal(override) == f"job.yaml: {sentence}"


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("name=3", "name: input should be a valid string, found 3"),
        ("data.past=3", "data.past: takes a name or a list of names, found 3"),
        ("data.path=''", "data.path: string should have at least 1 character, found ''"),
        ("model.units=1.5", "model.units: input should be a valid integer, found 1.5"),
        ("model.units='64'", "model.units: input should be a valid integer, found '64'"),
        ("model.units=true", "model.units: input should be a valid integer, found True"),
        ("model.units=0", "model.units: input should be greater than or equal to 1, found 0"),
        ("model.layers=three", "model.layers: input should be a valid integer, found 'three'"),
        ("model.layers=[3]", "model.layers.0: takes named fields, found 3"),
        ("model.layers=[]", "model.layers: lists no layer; write at least one, or a number of layers"),
        ("train=5", "train: takes named fields, found 5"),
        ("train.early_stopping=3", "train.early_stopping: takes named fields, found 3"),
        ("train.learning_rate=fast", "train.learning_rate: input should be a valid number, found 'fast'"),
        ("train.learning_rate=0", "train.learning_rate: input should be greater than 0, found 0"),
        ("train.learning_rate=.inf", "train.learning_rate: input should be a finite number, found inf"),
        ("model.dropout=1.0", "model.dropout: input should be less than 1, found 1.0"),
        (
            "train.optimizer=adma",
            (
                "train.optimizer: input should be 'adam', 'adamw', 'nadam', 'rmsprop', 'sgd', 'adagrad', "
                "'adadelta' or 'adamax', found 'adma'"
            ),
        ),
        ("backend=torch", "backend: input should be 'tensorflow' or 'jax', found 'torch'"),
        ("search.heartbeat=0.5", "search.heartbeat: input should be greater than or equal to 1, found 0.5"),
        ("search.factor=1", "search.factor: input should be greater than or equal to 2, found 1"),
        (
            "model.units={choice: [8], per_layer: 3}",
            "model.units: per_layer: input should be a valid boolean, found 3",
        ),
    ],
)
def test_a_wrong_type_or_value_names_field_and_finding(override: str, sentence: str) -> None:
    assert refusal(override) == f"job.yaml: {sentence}"


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        (
            "model.cell={choice: [gru, lstn]}",
            (
                "model.cell: the search may give 'lstn': input should be 'simple_rnn', 'lstm' or 'gru', "
                "found 'lstn'"
            ),
        ),
        (
            "model.units={int: {min: 0, max: 8}}",
            "model.units: the search may give 0: input should be greater than or equal to 1, found 0",
        ),
        (
            "model.units={float: {min: 1, max: 3}}",
            "model.units: the search may give 1.0: input should be a valid integer, found 1.0",
        ),
        (
            "model.dropout={float: {min: 0.0, max: 1.0}}",
            "model.dropout: the search may give 1.0: input should be less than 1, found 1.0",
        ),
        (
            "model.layers={choice: [1, two]}",
            "model.layers: the search may give 'two': input should be a valid integer, found 'two'",
        ),
        (
            "model.reset_after={int: {min: 0, max: 1}}",
            "model.reset_after: the search may give 0: input should be a valid boolean, found 0",
        ),
    ],
)
def test_a_search_may_give_only_what_the_field_takes(override: str, sentence: str) -> None:
    assert refusal(override) == f"job.yaml: {sentence}"


def test_a_column_may_stand_alone_or_in_a_list_and_steps_stay_whole() -> None:
    read = job("data.target=y", "data.past=x", "data.split={validation: 24, test: 0.1}")

    assert (read.data.target, read.data.past) == (("y",), ("x",))
    assert (
        repr(read.data.split.model_dump(mode="json"))
        == "{'validation': 24, 'test': 0.1, 'gap': 0, 'folds': 1}"
    )


@pytest.mark.parametrize("section", ["", "data", "data.split", "window", "model", "train", "search"])
def test_nothing_changes_after_reading(section: str) -> None:
    part: object = job()
    for name in section.split(".") if section else []:
        part = getattr(part, name)
    field = next(iter(type(part).model_fields))  # type: ignore[attr-defined]

    with pytest.raises(ValidationError, match="frozen"):
        setattr(part, field, None)


def test_a_job_is_equal_to_what_its_json_says() -> None:
    read = job(
        "model.layers=[{cell: lstm, units: {int: {min: 4, max: 8, step: 2}}}, {}]",
        "model.dropout={float: {min: 0.0, max: 0.5, step: 0.1}, per_layer: true}",
        "model.reset_after={boolean: {}}",
        "train.early_stopping=null",
    )

    assert Job.model_validate_json(read.model_dump_json()) == read


@pytest.mark.parametrize(
    ("written", "size"), [(1000, 1000), ("1GB", 10**9), ("1.5 mb", 1_500_000), ("2TB", 2 * 10**12), ("7B", 7)]
)
def test_a_size_is_bytes_or_has_a_unit(written: object, size: int) -> None:
    assert job(f"data.memory={written}").data.memory == size


@pytest.mark.parametrize("written", ["0", "-1", "1.5", "GB", "1 GiB", "true", "[1]", "much"])
def test_what_is_no_size(written: str) -> None:
    sentence = (
        "job.yaml: data.memory: a size is a number of bytes, or one with a unit such as 500MB or 2GB; found "
    )

    assert refusal(f"data.memory={written}").startswith(sentence)
