"""Sweeps that are extended, drained and retried, and weights that go from one trial to another."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.fidelity import PASSES
from jobs.params import space_of
from runner.conductor import Conductor
from runner.journal import Event
from runner.schedulers.choice import make_scheduler
from runner.searchers.choice import make_searcher
from runner.trial import ENDED
from tests.runner.curves import SEEDS, TROUBLE, WORKERS, draw_curves
from tests.runner.pool import Lines, Pool, start_of
from tests.runner.sweeps import EPOCHS, SCHEDULERS, go_on, job_of, journal, new_pool

OPEN = st.sampled_from(["none", "asha", "promotion", "median", "pbt"])  # that leave the number to the job


@settings(deadline=None, max_examples=60)
@given(OPEN, SEEDS, WORKERS, TROUBLE, st.integers(0, 80))
def test_a_sweep_goes_on_with_more_trials(
    scheduler: str, seed: int, workers: int, trouble: float, steps: int
) -> None:
    """Finished before, or interrupted anywhere."""
    pool = new_pool(job_of(scheduler, trials=8), seed, workers, trouble)
    pool.run(steps)
    ended = {t.id for t in pool.conductor.results.trials.values() if t.state in ENDED}
    pool.curves = draw_curves(seed, 14, EPOCHS, trouble)

    more = go_on(job_of(scheduler, trials=14), pool, journal(pool.conductor), workers)
    more.run()

    conductor = more.conductor
    assert conductor.complete or conductor.hopeless
    assert not ended & {trial for trial, _ in more.trained}
    told = Counter((e["trial"], e["epoch"]) for e in journal(conductor) if e["event"] == "result")
    assert set(told.values()) <= {1}


@settings(deadline=None, max_examples=60)
@given(SCHEDULERS, SEEDS, WORKERS, st.integers(1, 40))
def test_what_drains_comes_to_its_rung_and_no_further(
    scheduler: str, seed: int, workers: int, steps: int
) -> None:
    job = job_of(scheduler)
    pool = new_pool(job, seed, workers)
    pool.run(steps)
    conductor = pool.conductor
    before = {trial.id: trial.epochs_trained for trial in conductor.results.trials.values()}
    legs = sum(event["event"] == "leg" for event in journal(conductor))

    conductor.drain()
    pool.run()

    assert conductor.finished
    assert sum(event["event"] == "leg" for event in journal(conductor)) == legs
    for trial in conductor.results.trials.values():
        rungs = (*conductor._scheduler.milestones(trial.number), EPOCHS)
        following = [rung for rung in rungs if rung > before[trial.id]]
        assert trial.epochs_trained in {before[trial.id], *following[:1]} or trial.state == "done"
    resumed = go_on(job, pool, journal(conductor), workers)
    resumed.run()
    assert resumed.conductor.complete
    assert not {*pool.trained} & {*resumed.trained}


@settings(deadline=None, max_examples=60)
@given(SCHEDULERS, SEEDS, WORKERS)
def test_failed_trials_begin_once_more_and_no_others(scheduler: str, seed: int, workers: int) -> None:
    job = job_of(scheduler)
    pool = new_pool(job, seed, workers, trouble=0.3)
    pool.run()
    failed = {trial.id for trial in pool.conductor.results.failures()}
    others = {trial.id for trial in pool.conductor.results.trials.values()} - failed
    pool.curves = draw_curves(seed, len(pool.curves), EPOCHS, 0.0)  # what was in their way is gone
    pool.saved = {trial: epoch for trial, epoch in pool.saved.items() if trial not in failed}

    again = go_on(job, pool, journal(pool.conductor), workers)
    again.conductor.retry()
    again.run()

    trials = again.conductor.results.trials
    assert again.conductor.complete
    assert {trial for trial, _ in again.trained} - failed <= others & set(
        () if pool.conductor.complete else others
    )
    for name in failed:
        assert trials[name].state in {"done", "stopped_early"}
        assert [epoch for epoch, _ in trials[name].history] == list(range(1, trials[name].epochs_trained + 1))


class _KilledError(Exception):
    """The process died."""


@settings(deadline=None, max_examples=60)
@given(SEEDS, WORKERS, TROUBLE)
def test_weights_are_handed_over_once_and_before_the_donor_trains_on(
    seed: int, workers: int, trouble: float
) -> None:
    """Killed or stopped anywhere, between event and copy too: both trials stand at the same epoch then."""
    job, saved, rng = job_of("pbt", trials=9), dict[str, int](), np.random.default_rng(seed)
    log, weights, expected = Lines([start_of(job)]), dict[str, str](), dict[str, str]()

    def inherit(donor: str, heir: str) -> None:
        if rng.random() < 0.1:
            raise _KilledError
        assert saved[donor] == saved[heir]
        weights[heir] = weights.get(donor, donor)
        if rng.random() < 0.1:
            raise _KilledError

    conductor: Conductor | None = None
    while conductor is None or not conductor.finished:
        try:
            scheduler = make_scheduler(job, PASSES)
            searcher = make_searcher(job, space_of(job), scheduler)
            conductor = Conductor(job, searcher, scheduler, log, list(log), inherit)
            curves = draw_curves(seed, 9, EPOCHS, trouble)
            pool = Pool(conductor, curves, workers, rng, saved)
            pool.run(int(rng.integers(60)))
            if not conductor.finished and rng.random() < 0.5:  # else it is killed
                conductor.stop()
                pool.run()
                conductor = None
        except _KilledError:
            conductor = None
    exploits = [event for event in log if event["event"] == "exploit"]
    for event in exploits:
        expected[event["trial"]] = expected.get(event["donor"], event["donor"])
        assert event["values"]["model.units"] == units_of(log, event)
    assert weights == expected
    assert sum(event["event"] == "inherit" for event in log) == len(exploits)


def units_of(log: list[Event], exploit: Event) -> object:
    """The units that the donor had when it was drawn."""
    units = None
    for event in log:
        if event is exploit:
            return units
        if event["event"] in {"trial", "exploit"} and event["trial"] == exploit["donor"]:
            units = event["values"]["model.units"]
    raise AssertionError
