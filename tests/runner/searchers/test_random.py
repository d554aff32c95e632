"""Random search: independent draws, none twice, the same again from the same seed and past."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.fidelity import PASSES
from jobs.params import space_of
from jobs.searchspec import DEFAULT_TRIALS
from jobs.space import Values
from jobs.spec import Job
from runner.schedulers.choice import make_scheduler
from runner.searchers.choice import planned_trials
from runner.searchers.random import RandomSearch
from tests.runner.curves import SEEDS, make_job

LAYERED: dict[str, Any] = {
    "layers": "{int: {min: 1, max: 3}}",
    "cell": "{choice: [gru, lstm]}",
    "units": "{int: {min: 4, max: 8, step: 4}}",
    "per_layer": "true",
}
LAYERED_SIZE = 2 * (2 + 4 + 8)


def finite_job(**search: Any) -> Job:
    return make_job(model=LAYERED, search=search)


def continuous_job() -> Job:
    return make_job(train={"learning_rate": "{float: {min: 1e-4, max: 1e-2, sampling: log}}"})


def ask(job: Job, seed: int, count: int, past: list[Values] | None = None) -> list[Values]:
    search = RandomSearch(space_of(job), seed)
    found = []
    for number in range(count):
        values = past[number] if past and number < len(past) else search.ask(number)
        assert values is not None
        search.on_trial(number, values)
        found.append(values)
    return found[len(past or []) :]


def distinct(asked: list[Values]) -> int:
    return len({tuple(sorted(values.items())) for values in asked})


@settings(deadline=None)
@given(SEEDS)
def test_a_finite_space_is_exhausted_exactly_and_then_repeats(seed: int) -> None:
    asked = ask(finite_job(), seed, LAYERED_SIZE)

    assert space_of(finite_job()).size() == LAYERED_SIZE
    assert distinct(asked) == LAYERED_SIZE
    assert distinct(ask(finite_job(), seed, LAYERED_SIZE + 3)) == LAYERED_SIZE


@settings(deadline=None)
@given(SEEDS)
def test_no_configuration_is_chosen_twice(seed: int) -> None:
    assert distinct(ask(continuous_job(), seed, 50)) == 50


@settings(deadline=None)
@given(SEEDS)
def test_only_the_layers_that_are_there_have_values(seed: int) -> None:
    for values in ask(finite_job(), seed, 10):
        depth = values["model.layers"]
        assert isinstance(depth, int)
        assert {name for name in values if name.startswith("model.units.")} == {
            f"model.units.{index}" for index in range(depth)
        }


@settings(deadline=None)
@given(SEEDS, st.integers(0, 20), st.sampled_from([finite_job(), continuous_job()]))
def test_a_search_that_has_seen_its_past_goes_on_as_if_it_had_not_stopped(
    seed: int, stopped: int, job: Job
) -> None:
    whole = ask(job, seed, 20)

    assert ask(job, seed, 20) == whole
    assert ask(job, seed, 20, past=whole[:stopped]) == whole[stopped:]


def test_other_seeds_choose_other_configurations() -> None:
    assert ask(continuous_job(), 1, 5) != ask(continuous_job(), 2, 5)


def test_a_choice_of_like_values_of_two_types_counts_both() -> None:
    job = make_job(model={"layers": "{choice: [1, 2]}", "reset_after": "{boolean: }"})

    assert distinct(ask(job, 0, 4)) == 4


@pytest.mark.parametrize(
    ("search", "planned"),
    [
        ({"scheduler": "none", "trials": 7}, 7),
        ({"scheduler": "asha"}, DEFAULT_TRIALS),
        ({"scheduler": "asha", "trials": 1000}, LAYERED_SIZE),
        ({"scheduler": "hyperband"}, sum([81, 34, 15, 8, 5])),
    ],
)
def test_the_number_of_trials_is_the_schedulers_the_jobs_or_the_spaces(
    search: dict[str, Any], planned: int
) -> None:
    job = make_job(model=LAYERED, search=search, train={"max_epochs": 81})

    space = space_of(job)
    scheduler, search = make_scheduler(job, PASSES), RandomSearch(space, 0)
    assert planned_trials(job.search.trials, space, scheduler, search) == planned


def test_a_job_that_searches_nothing_has_one_trial() -> None:
    job = make_job(search={"trials": 5})

    space = space_of(job)
    assert planned_trials(5, space, make_scheduler(job, PASSES), RandomSearch(space, 0)) == 1
    assert ask(job, 0, 1) == [{}]
