"""The grid: everything once, in the order of the job file."""

from __future__ import annotations

import pytest

from jobs.dimensions import Boolean, Choice, Int
from jobs.errors import JobError
from jobs.fidelity import PASSES
from jobs.params import space_of
from jobs.space import Condition, Parameter, Space, Values
from runner.schedulers.choice import make_scheduler
from runner.searchers.choice import planned_trials
from runner.searchers.grid import GridSearch
from tests.runner.curves import make_job


def walk(space: Space, count: int) -> list[Values]:
    search, found = GridSearch(space), []
    for number in range(count):
        values = search.ask(number)
        assert values is not None
        search.on_trial(number, values)
        found.append(values)
    return found


def test_the_last_hyperparameter_changes_fastest_and_deeper_networks_come_later() -> None:
    job = make_job(
        model={
            "cell": "{choice: [gru, lstm]}",
            "layers": "{int: {min: 1, max: 2}}",
            "units": "{int: {min: 4, max: 8, step: 4}}",
            "per_layer": "true",
        },
        search={"algorithm": "grid"},
    )

    walked = [tuple(values.values()) for values in walk(space_of(job), 13)]

    assert walked == [
        ("gru", 1, 4),
        ("gru", 1, 8),
        ("lstm", 1, 4),
        ("lstm", 1, 8),
        ("gru", 2, 4, 4),
        ("gru", 2, 4, 8),
        ("gru", 2, 8, 4),
        ("gru", 2, 8, 8),
        ("lstm", 2, 4, 4),
        ("lstm", 2, 4, 8),
        ("lstm", 2, 8, 4),
        ("lstm", 2, 8, 8),
        ("gru", 1, 4),
    ]


@pytest.mark.parametrize(("trials", "planned"), [("null", 6), (4, 4), (100, 6)])
def test_without_a_number_of_trials_all_of_it_is_tried(trials: int | str, planned: int) -> None:
    rate = "{float: {min: 0.001, max: 0.1, step: 10, sampling: log}}"
    job = make_job(
        model={"reset_after": "{boolean: }"},
        train={"learning_rate": rate},
        search={"algorithm": "grid", "trials": trials},
    )
    space = space_of(job)

    assert planned_trials(job.search.trials, space, make_scheduler(job, PASSES), GridSearch(space)) == planned


def test_a_grid_of_billions_costs_nothing() -> None:
    job = make_job(model={"units": "{int: {min: 1, max: 1000000000}}", "reset_after": "{boolean: }"})

    assert [values["model.units"] for values in walk(space_of(job), 3)] == [1, 1, 2]


def test_what_exists_only_beside_other_values_is_tried_only_there() -> None:
    kind = Parameter("kind", Choice(options=("rnn", "dense")))
    units = Parameter("units", Int(min=1, max=2), when=(Condition("kind", ("rnn",)),))
    space = Space((kind, units, Parameter("bias", Boolean())), depth=lambda _: 1)

    walked = [tuple(values.values()) for values in walk(space, 6)]

    assert walked == [
        ("rnn", 1, False),
        ("rnn", 1, True),
        ("rnn", 2, False),
        ("rnn", 2, True),
        ("dense", False),
        ("dense", True),
    ]


def test_a_continuous_range_has_no_grid() -> None:
    job = make_job(train={"learning_rate": "{float: {min: 0.1, max: 0.2}}"})

    with pytest.raises(JobError, match=r"train\.learning_rate: .* give it a step"):
        GridSearch(space_of(job))
