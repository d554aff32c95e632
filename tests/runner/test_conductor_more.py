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
from runner.results import ENDED
from runner.schedulers.choice import make_scheduler
from runner.searchers.choice import make_searcher
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


@settings(deadline=None, max_examples=60)
@given(SEEDS, WORKERS, TROUBLE, st.data())
def test_weights_are_handed_over_before_anyone_trains_on(
    seed: int, workers: int, trouble: float, data: st.DataObject
) -> None:
    """Also where the process dies between the event and the copy: then they are again, and only then."""
    job = job_of("pbt", trials=9)
    log = Lines([start_of(job)])
    copies: list[tuple[int, str, str]] = []  # after how many events, from whom, to whom

    def conductor(past: list[Event]) -> Conductor:
        scheduler = make_scheduler(job, PASSES)
        return Conductor(
            job,
            make_searcher(job, space_of(job), scheduler),
            scheduler,
            log,
            past,
            lambda donor, heir: copies.append((len(log), donor, heir)),
        )

    pool = Pool(conductor(log), draw_curves(seed, 9, EPOCHS, trouble), workers, np.random.default_rng(seed))
    pool.run(data.draw(st.integers(0, 60)))
    cut = data.draw(st.integers(1, len(log)))
    pending = []
    for event in log[:cut]:
        if event["event"] == "exploit":
            pending.append((event["donor"], event["trial"]))
        if event["event"] == "leg":
            pending.clear()
    exploits = [(i, e) for i, e in enumerate(log, start=1) if e["event"] == "exploit"]
    assert copies == [(index, event["donor"], event["trial"]) for index, event in exploits]
    for _, event in exploits:
        values = next(e["values"] for e in log if e["event"] == "trial" and e["trial"] == event["donor"])
        assert event["values"]["model.units"] == units_of(log, event) or values == event["values"]

    copies.clear()
    past = list(log[:cut])
    log[cut:] = []
    conductor(past)

    assert [(donor, heir) for _, donor, heir in copies[: len(pending)]] == pending


def units_of(log: list[Event], exploit: Event) -> object:
    """The units that the donor had when it was drawn."""
    units = None
    for event in log:
        if event is exploit:
            return units
        if event["event"] in {"trial", "exploit"} and event["trial"] == exploit["donor"]:
            units = event["values"]["model.units"]
    raise AssertionError
