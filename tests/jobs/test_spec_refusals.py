"""Fields of a job file that are each right and do not go together."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from jobs.messages import sentence as problem
from jobs.spec import Job
from tests.jobs.small import job, refusal


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("data.target=[]", "data: target names no column"),
        ("data.target=[y, y]", "data: column 'y' is listed under target and again under target"),
        ("data.past=[x, y]", "data: column 'y' is listed under target and again under past"),
        ("data.series=date", "data: column 'date' is listed under time and again under series"),
        ("data.future=[x, y]", "data: column 'y' is listed under target and again under future"),
        (
            "data.missing_limit=3",
            "data: missing_limit is for values that are filled; say how by missing, or leave it out",
        ),
        (
            "window.scale_by=series",
            "window.scale_by: series is for several series (data.series) that are scaled; leave it out",
        ),
        ("data.static=date", "data: column 'date' is listed under time and again under static"),
        (
            "data.frequency=fortnightly",
            (
                "data.frequency: a frequency is a time between steps such as 15min, 1h, 1D, 1MS, or a whole "
                "number for times that are whole numbers; found 'fortnightly'"
            ),
        ),
        (
            "data.split={validation: 0.3, test: 0.1, folds: 3}",
            (
                "data.split: validation (3 folds) and test together take 1 of every series; "
                "leave some to train on"
            ),
        ),
        (
            "data.split={validation: 0.6, test: 0.4}",
            "data.split: validation and test together take 1 of every series; leave some to train on",
        ),
        (
            "data.split.validation=0",
            "data.split: validation is 0, so no trial could be scored; give it a fraction or time steps",
        ),
        (
            "data.split.test=1.5",
            "data.split.test: a number of time steps is whole; a fraction lies between 0 and 1",
        ),
        *(
            (
                f"data.split.test={written}",
                (
                    "data.split.test: write a fraction between 0 and 1, a number of time steps or a date, "
                    f"found {found}"
                ),
            )
            for written, found in [("-1", "-1"), (".nan", "nan"), ("true", "True"), ("soon", "'soon'")]
        ),
        (
            "data.split={validation: 2024-05-01, test: 2024-05-01}",
            "data.split: validation begins at 2024-05-01, not before the test at 2024-05-01",
        ),
        ("data.split.gap=-1", "data.split.gap: input should be greater than or equal to 0, found -1"),
        ("search.min_epochs=51", "search.min_epochs=51 is above train.max_epochs=50"),
        ("resources.gpu=2", "resources.gpu: input should be less than or equal to 1, found 2"),
        *(
            (
                f"name={name}",
                (
                    "name: a name is letters, digits, '.', '_' and '-', begins with a letter or digit, "
                    "and has at most 128 characters"
                ),
            )
            for name in ("a/b", ".hidden", "'a b'", "a" * 129, "'..'")
        ),
    ],
)
def test_fields_that_contradict_each_other_are_refused(override: str, sentence: str) -> None:
    assert refusal(override) == f"job.yaml: {sentence}"


def test_population_based_training_needs_every_saved_state() -> None:
    assert refusal("search.scheduler=pbt", "resources.disk_gb=1.0") == (
        "job.yaml: resources.disk_gb: with scheduler: pbt every trial's saved state may be needed and none "
        "can be given up; leave disk_gb out"
    )


def test_hyperband_decides_the_number_of_trials_itself() -> None:
    assert refusal("search.scheduler=hyperband", "search.trials=3") == (
        "job.yaml: search.trials: hyperband decides the number of trials from train.max_epochs, "
        "search.factor and search.hyperband_iterations; leave trials out"
    )
    assert job("search.scheduler=hyperband").search.trials is None


@pytest.mark.parametrize(
    ("section", "fields", "sentence"),
    [
        (
            "train",
            {"loss": {"choice": ["mse", "mae"]}},
            (
                "search.objective: val_loss cannot be compared between trials of different losses, and "
                "train.loss is searched; write objective: val_mse or val_mae"
            ),
        ),
        (
            "window",
            {"horizon": 1, "scale": {"choice": ["standard", "none"]}},
            (
                "window.scale: scores in standard deviations, in ranges (min_max) and without scaling (none) "
                "are in different units and cannot be compared; leave all but one of them out of the choice"
            ),
        ),
        (
            "window",
            {"horizon": 1, "scale": {"choice": ["standard", "instance"]}, "output": "sequence"},
            (
                "window.output: sequence forecasts from every step, and window.scale: instance would show "
                "each the level of the steps after it; use scale: standard, or output: last"
            ),
        ),
        (
            "data",
            {"path": "s3://KEY:SECRET@bucket/x", "time": "t", "target": "y"},
            (
                "data.path: no key or password stands in a URI, which is written down and shown; "
                "put it into the environment (AWS_ACCESS_KEY_ID and the like)"
            ),
        ),
    ],
)
def test_what_cannot_be_compared_or_shown_is_refused(
    section: str, fields: dict[str, object], sentence: str
) -> None:
    raw = {
        "name": "x",
        "data": {"path": "p", "time": "t", "target": "y"},
        "window": {"horizon": 1},
        section: fields,
    }
    with pytest.raises(ValidationError) as error:
        Job.model_validate(raw)
    assert problem(error.value, Job) == sentence
