"""What a searcher learns from: its own trials, other sweeps' results and configurations it was given."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from jobs.space import Values
from runner.journal import Event
from runner.searchers.rule import Searcher
from tests.runner.searchers.searches import (
    ALGORITHMS,
    LEARNERS,
    configurations,
    distinct,
    job_of,
    searcher_of,
)
from tests.runner.sweeps import new_pool


def run(searcher: Searcher, count: int, past: int = 0) -> list[Values]:
    """Ask and tell, each trial ending with how near its units are to forty."""
    found = []
    for number in range(past, past + count):
        values = searcher.ask(number)
        assert values is not None
        found.append(values)
        searcher.on_trial(number, values)
        searcher.on_end(number, badness(values), early=False)
    return found


def badness(values: Values) -> float:
    return abs(float(values["model.units.0"] or 0) - 40)


@pytest.mark.parametrize("algorithm", LEARNERS)
def test_a_model_finds_what_is_good_sooner_than_chance(algorithm: str) -> None:
    model = {"units": "{int: {min: 1, max: 400}}", "per_layer": "true"}
    means = []
    for name in (algorithm, "random"):
        asks = run(searcher_of(job_of(name, seed=3, model=model)), 30)
        means.append(np.mean([badness(values) for values in asks[15:]]))

    assert means[0] < means[1] / 2


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_results_of_other_sweeps_count_where_their_configurations_are_the_spaces(algorithm: str) -> None:
    job = job_of(algorithm, seed=1)
    fit = [
        {
            "values": {"model.cell": "gru", "model.layers": 1, "model.units.0": units},
            "epoch": 9,
            "score": abs(units - 40.0),
        }
        for units in range(4, 68, 4)
    ]
    unfit = [
        *({**each, "values": {**each["values"], "model.cell": "rnn"}} for each in fit),
        *({**each, "values": {**each["values"], "train.optimizer": "sgd"}} for each in fit),
        *({**each, "values": {"model.cell": "gru", "model.layers": 2, "model.units.0": 8}} for each in fit),
        *({**each, "values": {**each["values"], "model.units.0": 41}} for each in fit),
        *({**each, "score": None} for each in fit),
    ]
    asks = []
    for evidence in ([], unfit, fit, unfit + fit):
        searcher = searcher_of(job)
        searcher.on_evidence(evidence)
        asks.append(searcher.ask(0))

    assert asks[1] == asks[0]
    assert asks[3] == asks[2]
    assert (asks[2] != asks[0]) == (algorithm in LEARNERS)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_configurations_that_it_did_not_choose_are_taken_note_of(algorithm: str) -> None:
    job = job_of(algorithm)
    own = searcher_of(job).ask(0)
    outside = {"model.cell": "gru", "model.layers": 1, "model.units.0": 63}
    given_first = [{"values": own}, {"values": outside}]
    event: Event = {"event": "given", "configurations": given_first, "evidence": [], "time": 0.0}
    pool = new_pool(job, 1, 3, given=[event])

    pool.run()

    chosen = configurations(pool.conductor)
    assert chosen[:2] == [own, outside]
    assert distinct(chosen) == len(chosen)
    assert pool.conductor.complete


@pytest.mark.parametrize("algorithm", LEARNERS)
def test_trials_that_come_to_nothing_are_kept_away_from(algorithm: str) -> None:
    model = {"units": "{int: {min: 1, max: 400}}", "per_layer": "true"}
    searcher = searcher_of(job_of(algorithm, seed=2, model=model))
    for number in range(40):
        values = {"model.units.0": 10 * number + 1}
        searcher.on_trial(number, values)
        searcher.on_end(number, 1.0 if number < 20 else float("inf"), early=False)

    asks = run(searcher, 5, past=40)

    assert sum(int(values["model.units.0"] or 0) > 200 for values in asks) <= 1


@pytest.mark.parametrize("algorithm", LEARNERS)
def test_results_are_compared_at_equal_epochs(algorithm: str) -> None:
    """At three epochs few units are best; that many are better than few at one epoch counts no more."""
    model = {"units": "{int: {min: 1, max: 400}}", "per_layer": "true"}
    searcher = searcher_of(job_of(algorithm, seed=2, model=model))
    for number in range(40):
        units = 10 * number + 1
        searcher.on_trial(number, {"model.units.0": units})
        searcher.on_result(number, 1, 1000.0 - units)
    early = copy.deepcopy(searcher)
    for number in range(40):
        searcher.on_result(number, 3, 2000.0 + 10 * number)

    low, high = (int(run(each, 1, past=40)[0]["model.units.0"] or 0) for each in (searcher, early))
    assert low < 200 < high
