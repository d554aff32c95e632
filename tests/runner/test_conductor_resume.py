"""A sweep that was killed anywhere goes on where its journal ends."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.conductor import Conductor
from runner.trial import ENDED
from tests.runner.curves import SEEDS, TROUBLE, WORKERS
from tests.runner.pool import Lines, make_conductor
from tests.runner.sweeps import KINDS, SCHEDULERS, go_on, job_of, journal, new_pool, timeless


def state(conductor: Conductor) -> dict[str, Any]:
    """All that later decisions depend on; what runs counts as what is to be run."""
    found = conductor.state
    return {
        "scheduler": vars(conductor._scheduler),
        "searcher": {k: v for k, v in vars(conductor._searcher).items() if k != "_space"},
        "waiting": found.waiting,
        "open": sorted({*found.queue, *found.running} - found.waiting),
        "best": found.best and found.best.id,
        "trials": {
            t.id: (t.score, t.epoch, t.epochs_trained, t.rung, t.history, t.state in ENDED)
            for t in conductor.results.trials.values()
        },
    }


@settings(deadline=None, max_examples=60)
@given(SCHEDULERS, SEEDS, WORKERS, TROUBLE)
def test_the_replayed_state_is_the_live_one_after_every_step(
    scheduler: str, seed: int, workers: int, trouble: float
) -> None:
    job = job_of(scheduler, trials=6)
    pool = new_pool(job, seed, workers, trouble)

    while not pool.conductor.finished:
        pool.step()

        written = Lines()
        again = make_conductor(job, journal(pool.conductor), written)
        assert written == []
        assert state(again) == state(pool.conductor)


@settings(deadline=None, max_examples=60)
@given(SCHEDULERS, SEEDS, WORKERS, TROUBLE, st.data())
def test_a_sweep_killed_after_any_event_is_finished_by_the_next_process(
    scheduler: str, seed: int, workers: int, trouble: float, data: st.DataObject
) -> None:
    job = job_of(scheduler)
    pool = new_pool(job, seed, workers, trouble)
    pool.run(steps=data.draw(st.integers(0, 60)))
    events = journal(pool.conductor)
    past = events[: data.draw(st.integers(1, len(events)))]

    resumed = go_on(job, pool, past, workers)
    resumed.run()

    conductor = resumed.conductor
    assert conductor.complete or conductor.hopeless
    whole = journal(conductor)
    results = [(e["trial"], e["epoch"]) for e in whole if e["event"] == "result"]
    assert len(results) == len(set(results))
    ended = {e["trial"] for e in past if e["event"] == "end"}
    assert not ended & {trial for trial, _ in resumed.trained}
    assert [e["trial"] for e in whole if e["event"] == "end"].count(next(iter(ended), "")) <= 1
    for trial in conductor.results.trials.values():
        told = [epoch for name, epoch in results if name == trial.id]
        assert told == list(range(1, len(told) + 1))


@settings(deadline=None, max_examples=60)
@given(SCHEDULERS, SEEDS, TROUBLE, st.data())
def test_with_one_worker_the_resumed_journal_is_the_uninterrupted_one(
    scheduler: str, seed: int, trouble: float, data: st.DataObject
) -> None:
    job = job_of(scheduler)
    uninterrupted = new_pool(job, seed, 1, trouble)
    uninterrupted.run()
    expected = journal(uninterrupted.conductor)

    pool = new_pool(job, seed, 1, trouble)
    for _ in range(data.draw(st.integers(1, 3))):  # crashes
        pool.run(steps=data.draw(st.integers(0, 30)))
        events = journal(pool.conductor)
        unheard = data.draw(st.integers(0, min(3, len(events) - 1)))  # lost with the machine
        pool = go_on(job, pool, events[: len(events) - unheard], 1)
    pool.run()

    assert timeless(journal(pool.conductor)) == timeless(expected)


@settings(deadline=None, max_examples=30)
@given(SCHEDULERS, SEEDS, WORKERS)
def test_a_sweep_that_was_stopped_is_taken_up(scheduler: str, seed: int, workers: int) -> None:
    job = job_of(scheduler)
    pool = new_pool(job, seed, workers)
    pool.run(steps=10)
    pool.conductor.stop()
    pool.run()
    finish = {"event": "finish", "state": "interrupted", "time": 0.0}

    resumed = go_on(job, pool, [*journal(pool.conductor), finish], workers)
    resumed.run()

    assert resumed.conductor.complete
    assert not {*pool.trained} & {*resumed.trained}  # what was saved is not trained again


def test_over_a_thousand_sweeps_the_replayed_state_is_the_live_one() -> None:
    """Of every scheduler, with results in random order, lost workers and trouble."""
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        job = job_of(KINDS[seed % len(KINDS)], trials=int(rng.integers(1, 20)), seed=seed)
        pool = new_pool(job, seed, int(rng.integers(1, 8)), float(rng.choice([0.0, 0.15, 0.6])), 0.05)
        pool.run(int(rng.integers(1, 200)))

        assert state(make_conductor(job, journal(pool.conductor), Lines())) == state(pool.conductor)
