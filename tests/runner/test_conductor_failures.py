"""Trials that fail or lose their workers, and sweeps in which all do."""

from __future__ import annotations

import pytest

from jobs.report import EpochReport
from tests.runner.curves import curve_of
from tests.runner.pool import Lines, fresh_conductor, make_conductor
from tests.runner.sweeps import EPOCHS, job_of, journal, new_pool


def test_a_trial_that_loses_its_worker_three_times_has_failed() -> None:
    pool = new_pool(job_of("none", trials=2), seed=0, workers=1)
    conductor = pool.conductor
    for _ in range(3):
        leg = conductor.next_leg()
        assert leg is not None
        assert leg.trial == "00000"
        conductor.on_lost(leg.trial, "the training process was killed by signal 9")

    trial = conductor.results.trials["00000"]
    assert trial.state == "failed"
    assert trial.error == (
        "lost its worker 3 times, at last by this: the training process was killed by signal 9"
    )
    leg = conductor.next_leg()
    assert leg is not None
    assert leg.trial == "00001"


def test_a_trial_that_goes_with_its_node_may_do_so_often() -> None:
    pool = new_pool(job_of("none", trials=2), seed=0, workers=1)
    for _ in range(9):
        leg = pool.conductor.next_leg()
        assert leg is not None
        assert leg.trial == "00000"
        pool.conductor.on_lost(leg.trial, "its node went away", node=True)

    trial = pool.conductor.results.trials["00000"]
    assert (trial.state, trial.losses, trial.stuck) == ("paused", 9, 0)


@pytest.mark.parametrize("scheduler", ["none", "asha", "hyperband"])
def test_a_sweep_whose_first_trials_all_fail_gives_up(scheduler: str) -> None:
    pool = new_pool(job_of(scheduler), seed=0, workers=2)
    pool.curves = [curve_of([1.0] * EPOCHS, breaks=1)] * 20

    pool.run()

    conductor = pool.conductor
    assert (conductor.hopeless, conductor.complete, conductor.running) == (True, False, 0)
    assert 5 <= conductor.results.failed <= 6
    assert conductor.next_leg() is None
    assert conductor.results.failures()[0].error == "ValueError: epoch 1"


@pytest.mark.parametrize("scheduler", ["none", "asha", "hyperband"])
def test_a_sweep_in_which_one_has_a_result_does_not_give_up(scheduler: str) -> None:
    """Not even while that one is paused and all that have ended have failed."""
    pool = new_pool(job_of(scheduler), seed=0, workers=1)
    fine, broken = curve_of([1.0] * EPOCHS), curve_of([1.0] * EPOCHS, breaks=1)
    pool.curves = [fine, *[broken] * 19]

    pool.run()

    assert pool.conductor.complete
    assert pool.conductor.results.failed == pool.conductor.planned - 1
    assert pool.conductor.results.counts()["done"] == 1


def test_a_trial_may_be_silent_for_ten_of_its_median_epochs() -> None:
    conductor = fresh_conductor(job_of("none", trials=1))
    leg = conductor.next_leg()
    assert leg is not None
    assert leg.heartbeat == 120.0
    for epoch, seconds in enumerate((900.0, 20.0, 31.0, 30.0, 22.0), start=1):
        conductor.on_report(leg.trial, EpochReport(epoch, 0.5, 0.5, epoch, {}, seconds, None))
    conductor.on_lost(leg.trial, "it went")

    again = conductor.next_leg()
    replayed = make_conductor(job_of("none", trials=1), journal(conductor)[:-1], Lines())

    assert again is not None
    assert again.heartbeat == 300.0
    resumed = replayed.next_leg()
    assert resumed is not None
    assert resumed.heartbeat == 300.0
