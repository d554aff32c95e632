"""Trials that fail or lose their workers, and sweeps in which all do."""

from __future__ import annotations

import pytest

from jobs.report import EpochReport
from runner.summary import Encoder, Summary, keep, read_summary
from tests.cluster.object_store import ObjectStore, open_object_store
from tests.runner.curves import curve_of
from tests.runner.pool import Lines, fresh_conductor, make_conductor
from tests.runner.sweeps import EPOCHS, go_on, job_of, journal, new_pool


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


@pytest.mark.parametrize("scheduler", ["none", "asha", "promotion", "median"])
@pytest.mark.parametrize("workers", [1, 2, 4, 8])
def test_what_the_others_report_until_then_is_no_hope(scheduler: str, workers: int) -> None:
    """They fail, too; none is begun after the fifth, whoever looks at the journal."""
    job = job_of(scheduler, trials=200, min_epochs=3)
    pool = new_pool(job, seed=0, workers=workers)
    pool.curves = [curve_of([1.0] * EPOCHS, breaks=3)] * 200

    pool.run()

    results = pool.conductor.results
    assert (pool.conductor.hopeless, pool.conductor.running) == (True, 0)
    assert 5 <= results.failed == len(results.trials) < 5 + workers
    begun = len(results.trials)
    again = go_on(job, pool, journal(pool.conductor), workers)
    assert (again.conductor.hopeless, again.conductor.finished) == (True, True)
    again.run()
    assert len(again.conductor.results.trials) == begun


def test_one_that_comes_further_than_those_that_failed_keeps_the_sweep_alive() -> None:
    pool = new_pool(job_of("none", trials=200), seed=0, workers=2)
    pool.curves = [curve_of([1.0] * EPOCHS), *[curve_of([1.0] * EPOCHS, breaks=1)] * 199]
    conductor = pool.conductor
    legs = [conductor.next_leg() for _ in range(2)]
    assert all(legs)
    conductor.on_report("00000", pool.curves[0].report(1))
    for number in range(1, 7):
        conductor.on_failed(f"{number:05d}", "ValueError: epoch 1")
        assert conductor.next_leg() is not None

    conductor.on_failed("00000", "ValueError: epoch 2")  # nor did that one

    assert conductor.hopeless


def test_different_failures_are_not_one() -> None:
    pool = new_pool(job_of("none", trials=20), seed=0, workers=1)
    for number in range(20):
        leg = pool.conductor.next_leg()
        assert leg is not None
        pool.conductor.on_failed(leg.trial, "no such column" if number == 3 else "no such file 7")

    assert pool.conductor.complete


def test_a_retry_takes_up_a_sweep_that_was_given_up() -> None:
    job = job_of("none", trials=20)
    pool = new_pool(job, seed=0, workers=4)
    pool.curves = [curve_of([1.0] * EPOCHS, breaks=3)] * 20
    pool.run()
    assert pool.conductor.hopeless

    again = go_on(job, pool, journal(pool.conductor), 4)
    again.curves = [curve_of([1.0] * EPOCHS)] * 20
    again.conductor.retry()
    again.run()

    assert again.conductor.complete
    assert again.conductor.results.counts()["done"] == 20


def test_a_summary_keeps_that_a_sweep_was_given_up() -> None:
    pool = new_pool(job_of("none", trials=20), seed=0, workers=4)
    pool.curves = [curve_of([1.0] * EPOCHS, breaks=3)] * 20
    pool.run()
    folder = open_object_store(ObjectStore()).sweep("a")
    keep(folder, Summary(pool.conductor.results), Encoder())

    assert read_summary(folder).results.hopeless


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
