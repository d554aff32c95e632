"""Results that a model is made of are those at equal epochs."""

from __future__ import annotations

import math

from jobs.params import space_of
from runner.searchers.axes import Axes
from runner.searchers.told import Told
from tests.runner.curves import make_job

WORST = math.inf


def told_of(trials: int) -> Told:
    job = make_job(model={"units": "{int: {min: 1, max: 100}}"})
    told = Told(Axes.of(space_of(job)))
    for number in range(trials):
        told.on_trial(number, {"model.units": number + 1})
    return told


def test_the_most_epochs_with_enough_results_count() -> None:
    told = told_of(5)
    for number in range(4):
        told.on_result(number, 1, 1.0 + number)
    for number in range(2):
        told.on_result(number, 3, 0.5 + number)
    told.on_end(2, 3.0, early=True)
    told.on_end(3, WORST, early=False)

    assert told.compared(2) == {0: 0.5, 1: 1.5, 2: WORST, 3: WORST}
    assert told.compared(3) == {0: 1.0, 1: 2.0, 2: 3.0, 3: 4.0}
    assert told.compared(9) == told.compared(3)
    assert told.pending(told.compared(2)) == [4]


def test_what_ended_by_itself_counts_at_all_later_epochs() -> None:
    told = told_of(3)
    told.on_result(0, 1, 1.0)
    told.on_result(0, 3, 0.9)
    told.on_end(1, 2.0, early=False)

    assert told.compared(2) == {0: 0.9, 1: 2.0}
    assert told.compared(1) == {1: 2.0}
    assert told.pending(told.compared(1)) == [0, 2]


def test_without_rungs_ends_are_compared() -> None:
    told = told_of(4)
    told.on_end(0, 2.0, early=False)
    told.on_end(1, WORST, early=False)

    assert told.compared(1) == told.compared(9) == {0: 2.0, 1: WORST}
    assert told.pending(told.compared(1)) == [2, 3]


def test_a_trial_that_begins_once_more_has_not_come_to_nothing() -> None:
    told = told_of(2)
    told.on_result(0, 1, 2.0)
    told.on_end(1, WORST, early=False)
    assert told.compared(1) == {0: 2.0, 1: WORST}

    told.on_result(1, 1, 3.0)

    assert told.compared(1) == {0: 2.0, 1: 3.0}


def test_other_sweeps_results_count_if_they_are_of_as_many_epochs_and_before_there_is_better() -> None:
    told = told_of(2)
    told.on_evidence(
        [
            {"values": {"model.units": 7}, "epoch": 3, "score": 0.3},
            {"values": {"model.units": 8}, "epoch": 1, "score": 0.2},
            {"values": {"model.units": 999}, "epoch": 9, "score": 0.1},
        ]
    )
    assert told.compared(2) == {-1: 0.3, -2: 0.2}
    assert told.pending(told.compared(2)) == [0, 1]

    told.on_result(0, 3, 0.5)

    assert told.compared(2) == {-1: 0.3, 0: 0.5}
    assert told.compared(3) == {-1: 0.3, -2: 0.2, 0: 0.5}


def test_a_trial_of_another_sweep_counts_once_and_with_the_epochs_that_compare() -> None:
    told = told_of(2)
    scores = {1: 0.9, 3: 0.6, 9: 0.3}
    told.on_evidence(
        [{"values": {"model.units": 7}, "epoch": epoch, "score": score} for epoch, score in scores.items()]
    )
    assert told.compared(2) == {-1: 0.3}

    told.on_result(0, 1, 0.8)
    assert told.compared(2) == {-1: 0.9, 0: 0.8}
    told.on_result(0, 4, 0.5)
    told.on_result(1, 4, 0.4)
    assert told.compared(3) == {-1: 0.3, 0: 0.5, 1: 0.4}


def test_a_configuration_that_is_not_the_spaces_teaches_nothing() -> None:
    told = told_of(0)
    told.on_trial(0, {"model.units": 999})
    told.on_result(0, 1, 0.5)
    told.on_end(0, 0.5, early=False)

    assert told.compared(1) == {}
    assert told.pending({}) == []
