"""KerasTuner's Hyperband: what its own tuner would do, done by trials that go on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_tuner import HyperParameters, Objective
from keras_tuner.oracles import HyperbandOracle

from jobs.errors import JobError
from jobs.jobfile import dump_job, parse_job
from jobs.params import space_of
from jobs.space import Values
from jobs.spec import Job
from runner.trial import ENDED
from tests.runner.curves import JOB, SEEDS, TROUBLE, WORKERS, Curve, draw_curves, make_job
from tests.runner.pool import Pool, fresh_conductor
from tests.runner.sweeps import go_on, journal

SIZES = st.sampled_from([(1, 3), (2, 3), (9, 3), (10, 3), (16, 2), (27, 3), (30, 4)])  # epochs and factor


def job_of(seed: int, max_epochs: int, factor: int, iterations: int = 1) -> Job:
    return make_job(
        model={"cell": "{choice: [gru, lstm]}", "units": "{int: {min: 1, max: 1000}}"},
        train={"max_epochs": max_epochs, "learning_rate": "{float: {min: 1e-4, max: 0.1, sampling: log}}"},
        search={
            "algorithm": "hyperband",
            "seed": seed,
            "factor": factor,
            "hyperband_iterations": iterations,
        },
    )


class _Oracle(HyperbandOracle):  # type: ignore[misc]  # KerasTuner has no types
    """KerasTuner's, which writes to no disk here."""

    def save(self) -> None:
        pass

    def _save_trial(self, trial: Any) -> None:
        pass


def by_hand(job: Job, curves: list[Curve]) -> list[tuple[Values, list[tuple[int, int]]]]:
    """KerasTuner's own loop (``BaseTuner.search``): each configuration and the stretches it is trained."""
    hp = HyperParameters()
    hp.Choice("model.cell", ["gru", "lstm"])
    hp.Int("model.units", 1, 1000)
    hp.Float("train.learning_rate", 1e-4, 0.1, sampling="log")
    search = job.search
    oracle = _Oracle(
        Objective("score", "min"),
        max_epochs=job.train.max_epochs,
        factor=search.factor,
        hyperband_iterations=search.hyperband_iterations,
        seed=search.seed,
        hyperparameters=hp,
    )
    oracle.verbose = 0
    trained: list[tuple[Values, list[tuple[int, int]]]] = []
    numbers: dict[str, int] = {}
    while (trial := oracle.create_trial("tuner0")).status == "RUNNING":
        values = trial.hyperparameters.values
        past = values.get("tuner/trial_id")
        numbers[trial.trial_id] = number = len(trained) if past is None else numbers[past]
        if past is None:
            trained.append(({n: v for n, v in values.items() if not n.startswith("tuner/")}, []))
        stretch = values["tuner/initial_epoch"], values["tuner/epochs"]
        trained[number][1].append(stretch)
        oracle.update_trial(trial.trial_id, {"score": curves[number].best(stretch[1])})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    assert trial.status == "STOPPED"
    return trained


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 2**31), SIZES, SEEDS)
def test_one_worker_does_what_keras_tuners_own_tuner_does(
    seed: int, size: tuple[int, int], scores: int
) -> None:
    job = job_of(seed, *size, iterations=1 + scores % 2)
    conductor = fresh_conductor(job)
    curves = draw_curves(scores, conductor.planned, size[0], trouble=0.0)
    pool = Pool(conductor, curves, 1, np.random.default_rng(0))

    pool.run()

    expected = by_hand(job, curves)
    trials = list(conductor.results.trials.values())
    assert [trial.values for trial in trials] == [values for values, _ in expected]
    assert [trial.epochs_trained for trial in trials] == [stretches[-1][1] for _, stretches in expected]
    order = [(number, epoch) for number, (_, s) in enumerate(expected) for b, e in s for epoch in range(b, e)]
    assert sorted(pool.trained) == [(f"{number:05d}", epoch + 1) for number, epoch in order]
    assert conductor.complete
    assert {trial.state for trial in trials} <= {"done", "stopped_early"}


def test_the_order_of_what_is_trained_is_the_oracles() -> None:
    job = job_of(5, 9, 3)
    conductor = fresh_conductor(job)
    curves = draw_curves(1, conductor.planned, 9, trouble=0.0)
    pool = Pool(conductor, curves, 1, np.random.default_rng(0))
    pool.run()

    values = [trial.values for trial in conductor.results.trials.values()]
    begun = [int(trial) for trial, epoch in pool.trained if epoch == 1]
    assert begun == list(range(len(values)))
    wide = [(int(trial), epoch) for trial, epoch in pool.trained if int(trial) < 9]
    firsts = [number for number, epoch in wide if epoch == 1]
    assert wide[: len(firsts)] == [(number, 1) for number in firsts]


@settings(deadline=None, max_examples=25)
@given(SEEDS, WORKERS, TROUBLE, st.sampled_from([0.0, 0.1]))
def test_every_trial_ends_whatever_becomes_of_others(
    seed: int, workers: int, trouble: float, losses: float
) -> None:
    conductor = fresh_conductor(job_of(seed, 9, 3))
    curves = draw_curves(seed, conductor.planned, 9, trouble)
    pool = Pool(conductor, curves, workers, np.random.default_rng(seed), losses=losses)

    pool.run()

    assert conductor.complete or conductor.hopeless
    if conductor.complete:
        assert {trial.state for trial in conductor.results.trials.values()} <= ENDED
        assert conductor.results.ended == conductor.planned


def test_a_trial_that_failed_may_begin_once_more() -> None:
    conductor = fresh_conductor(job_of(3, 9, 3))
    curves = draw_curves(2, conductor.planned, 9, trouble=0.0)
    broken = [Curve(c.scores, c.patience, breaks=1 if n in {0, 4} else None) for n, c in enumerate(curves)]
    pool = Pool(conductor, broken, 2, np.random.default_rng(0))
    pool.run()
    assert conductor.results.counts()["failed"] == 2

    conductor.retry()
    Pool(conductor, curves, 2, np.random.default_rng(0), saved=pool.saved).run()

    assert conductor.complete
    assert conductor.results.counts()["failed"] == 0


def test_a_space_that_is_exhausted_ends_the_search_as_it_ends_keras_tuners() -> None:
    job = make_job(
        model={"cell": "{choice: [gru, lstm]}", "units": "{int: {min: 1, max: 2}}"},
        search={"algorithm": "hyperband"},
        train={"max_epochs": 9},
    )
    conductor = fresh_conductor(job)
    pool = Pool(conductor, draw_curves(0, 17, 9, 0.0), 2, np.random.default_rng(0))

    pool.run()

    assert conductor.complete
    values = [tuple(trial.values.values()) for trial in conductor.results.trials.values()]
    assert len(set(values)) == len(values) == 4
    assert conductor.results.best() is not None


def test_the_schedule_is_its_own() -> None:
    text = dump_job(job_of(7, 9, 3))

    assert "  scheduler: hyperband" in text
    assert parse_job(text, source="spec.yaml") == job_of(7, 9, 3)
    assert make_job().search.scheduler == "asha"
    assert make_job(search={"scheduler": "null"}).search.scheduler == "asha"
    assert make_job(search={"algorithm": "hyperband", "scheduler": "hyperband"}) == make_job(
        search={"algorithm": "hyperband"}
    )


ORACLE = "with algorithm: hyperband KerasTuner's oracle decides"
REFUSED = {
    "search.scheduler=asha": f"{ORACLE} who goes on; leave scheduler out, or choose another algorithm",
    "search.trials=5": (
        "hyperband decides the number of trials from train.max_epochs, search.factor and "
        "search.hyperband_iterations; leave trials out"
    ),
    "search.min_epochs=2": (
        f"{ORACLE} on the first rung; leave min_epochs out, or choose another algorithm with "
        "scheduler: hyperband"
    ),
}


@pytest.mark.parametrize("given", REFUSED)
def test_what_the_oracle_decides_is_not_given(given: str) -> None:
    with pytest.raises(JobError) as caught:
        parse_job(JOB, source="job.yaml", overrides=["search.algorithm=hyperband", given])

    assert str(caught.value) == f"job.yaml: {given.partition('=')[0]}: {REFUSED[given]}"


def test_the_number_of_trials_is_the_sum_of_the_brackets() -> None:
    conductor = fresh_conductor(job_of(1, 81, 3))

    assert conductor.planned == sum([81, 34, 15, 8, 5])
    assert math.isinf(space_of(job_of(1, 81, 3)).size())


@settings(deadline=None, max_examples=30)
@given(SEEDS, WORKERS)
def test_what_had_ended_is_not_begun_again_by_a_retry_and_more_iterations(seed: int, workers: int) -> None:
    curves = draw_curves(seed, 200, 9, 0.0)
    rng = np.random.default_rng(seed)
    broken = [
        Curve(curve.scores, curve.patience, breaks=int(rng.integers(1, 6)) if rng.random() < 0.25 else None)
        for curve in curves
    ]
    pool = Pool(fresh_conductor(job_of(seed, 9, 3)), broken, workers, rng)
    pool.run()
    failed = {trial.id for trial in pool.conductor.results.failures()}
    pool.curves = curves
    pool.saved = {trial: epoch for trial, epoch in pool.saved.items() if trial not in failed}
    again = go_on(job_of(seed, 9, 3), pool, journal(pool.conductor), workers)
    again.conductor.retry()
    again.run()
    ended = {t.id for t in again.conductor.results.trials.values() if t.state in ENDED}

    more = go_on(job_of(seed, 9, 3, 2), again, journal(again.conductor), workers)
    more.run()

    assert more.conductor.complete or more.conductor.hopeless
    assert not {trial for trial, _ in more.trained} & ended
