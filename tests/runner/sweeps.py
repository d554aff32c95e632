"""Virtual sweeps of every scheduler: begun, killed and gone on with, and what their journals say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from jobs.spec import Job
from runner.conductor import Conductor
from runner.journal import Event
from tests.runner.curves import draw_curves, make_job
from tests.runner.pool import Lines, Pool, fresh_conductor, make_conductor, start_of

EPOCHS = 9
KINDS = ["none", "asha", "promotion", "hyperband", "median", "pbt"]
SCHEDULERS = st.sampled_from(KINDS)
FORGOTTEN = {"start", "finish", "leg", "pause"}


def job_of(scheduler: str, trials: int = 8, **search: Any) -> Job:
    asked = {} if scheduler == "hyperband" else {"trials": trials}
    if scheduler == "promotion":
        scheduler, search = "asha", {"promotion": True, **search}
    return make_job(
        search={"scheduler": scheduler, **asked, **search},
        train={"max_epochs": EPOCHS, "learning_rate": "{float: {min: 0.0001, max: 0.1}}"},
        model={"units": "{int: {min: 1, max: 1000}}"},
    )


def new_pool(
    job: Job,
    seed: int,
    workers: int,
    trouble: float = 0.0,
    losses: float = 0.0,
    *,
    given: Sequence[Event] = (),
) -> Pool:
    """Workers for a sweep that begins; ``given`` are events that its first process left in the journal."""
    conductor = fresh_conductor(job, *given)
    curves = draw_curves(seed, conductor.planned, EPOCHS, trouble)
    return Pool(conductor, curves, workers, np.random.default_rng(seed), losses=losses)


def go_on(job: Job, pool: Pool, past: Sequence[Event], workers: int) -> Pool:
    """A new process on what the old one left: the journal's beginning and the saved states."""
    log = Lines([*past, start_of(job)])
    conductor = make_conductor(job, log, log)
    return Pool(conductor, pool.curves, workers, pool.rng, saved=dict(pool.saved))


def eventful_journal(job: Job, seed: int, workers: int, trouble: float, data: st.DataObject) -> list[Event]:
    """Of a sweep that was killed, resumed and lost workers, an event each eighth of a second."""
    pool = new_pool(job, seed, workers, trouble, losses=0.1)
    pool.run(steps=data.draw(st.integers(0, 40)))
    pool = go_on(job, pool, journal(pool.conductor), workers)
    pool.run(steps=data.draw(st.integers(0, 40)))
    return [event | {"time": n / 8} for n, event in enumerate(journal(pool.conductor))]


def journal(conductor: Conductor) -> Lines:
    assert isinstance(conductor._log, Lines)
    return conductor._log


def timeless(events: list[Event]) -> list[Event]:
    """What is the same whenever and however often the sweep was interrupted."""
    kept = (event for event in events if event["event"] not in FORGOTTEN)
    return [{key: value for key, value in event.items() if key != "time"} for event in kept]
