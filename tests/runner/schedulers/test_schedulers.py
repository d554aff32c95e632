"""What holds for every scheduler, against random curves, arrival orders and accidents."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.fidelity import PASSES
from runner.schedulers.asha import Asha
from runner.schedulers.choice import make_scheduler
from runner.schedulers.hyperband import Hyperband
from runner.schedulers.median import Median
from runner.schedulers.pbt import PopulationBased
from runner.schedulers.rule import Scheduler
from tests.runner.curves import SEEDS, TROUBLE, WORKERS, draw_curves, make_job
from tests.runner.play import Play, play
from tests.runner.schedulers.makers import (
    SHAPES,
    make_asha,
    make_hyperband,
    make_median,
    make_population,
    make_promoting,
)


def replayed(make: Callable[[], Scheduler], live: Play) -> Play:
    again = Play(make())
    for call in live.calls:
        again.tell(*call)
    return again


@settings(deadline=None, max_examples=50)
@given(
    SHAPES,
    SEEDS,
    WORKERS,
    TROUBLE,
    st.sampled_from([make_asha, make_promoting, make_hyperband, make_median, make_population]),
)
def test_a_replay_gives_the_same_rule_and_the_same_decisions(
    shape: tuple[int, int, int],
    seed: int,
    workers: int,
    trouble: float,
    make: Callable[[tuple[int, int, int]], Scheduler],
) -> None:
    scheduler = make(shape)
    curves = draw_curves(seed, scheduler.trials() or 20, shape[0], trouble)
    live = play(scheduler, curves, workers, np.random.default_rng(seed))

    again = replayed(lambda: make(shape), live)

    assert again.answers == live.answers
    assert again.settled == live.settled
    assert vars(again.scheduler) == vars(live.scheduler)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 20), SEEDS, WORKERS, TROUBLE)
def test_without_a_scheduler_every_trial_comes_to_its_own_end(
    trials: int, seed: int, workers: int, trouble: float
) -> None:
    curves = draw_curves(seed, trials, 5, trouble)

    done = play(Scheduler(), curves, workers, np.random.default_rng(seed))

    assert {n: (done.epochs[n], done.ends[n]) for n in range(trials)} == {
        n: curve.end() for n, curve in enumerate(curves)
    }


@pytest.mark.parametrize(
    ("name", "kind", "trials"),
    [
        ("none", Scheduler, None),
        ("asha", Asha, None),
        ("hyperband", Hyperband, 9 + 5 + 3),
        ("median", Median, None),
        ("pbt", PopulationBased, None),
    ],
)
def test_a_job_names_its_scheduler(name: str, kind: type[Scheduler], trials: int | None) -> None:
    rate = "{float: {min: 0.001, max: 0.1}}"
    job = make_job(search={"scheduler": name, "factor": 3}, train={"max_epochs": 9, "learning_rate": rate})

    scheduler = make_scheduler(job, PASSES)

    assert isinstance(scheduler, kind)
    assert scheduler.trials() == trials
    if name == "asha":
        assert scheduler.milestones(0) == (1, 3)


@pytest.mark.parametrize("make", [make_asha, make_promoting, make_hyperband, make_population, make_median])
@pytest.mark.parametrize("failed", [0, 1, 4])
def test_a_trial_that_failed_may_begin_once_more(
    make: Callable[[tuple[int, int, int]], Scheduler], failed: int
) -> None:
    """Whoever waits is not kept waiting, and the trial comes to its end."""
    scheduler = make((9, 3, 1))
    count = scheduler.trials() or 9
    curves = draw_curves(5, count, 9, 0.0)
    done = Play(scheduler)
    done.tell("expect", count)
    done.tell("leg", failed)
    done.tell("end", failed, 0, math.inf)
    scheduler.on_retry(failed)

    again = play(scheduler, curves, 3, np.random.default_rng(0))

    assert len(again.ends) == count
    assert again.epochs[failed] >= 1
