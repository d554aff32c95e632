"""One sweep's logic, driven by virtual workers through the calls that the real ones make."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.fidelity import Fidelity
from jobs.params import space_of
from jobs.report import EpochReport
from jobs.spec import Job
from runner.conductor import Conductor
from runner.results import ENDED, Results
from runner.schedulers.choice import make_scheduler
from runner.schedulers.rungs import Decision
from runner.searchers.choice import make_searcher
from tests.runner.curves import SEEDS, TROUBLE, WORKERS, Curve, draw_curves, make_job
from tests.runner.pool import Lines, Pool, fresh_conductor, make_conductor, start_of

EPOCHS = 9
SCHEDULERS = st.sampled_from(["none", "asha", "promotion", "hyperband", "median", "pbt"])


def job_of(scheduler: str, trials: int = 8, **search: Any) -> Job:
    asked = {} if scheduler == "hyperband" else {"trials": trials}
    if scheduler == "promotion":
        scheduler, search = "asha", {"promotion": True, **search}
    return make_job(
        search={"scheduler": scheduler, **asked, **search},
        train={"max_epochs": EPOCHS, "learning_rate": "{float: {min: 0.0001, max: 0.1}}"},
        model={"units": "{int: {min: 1, max: 1000}}"},
    )


def new_pool(job: Job, seed: int, workers: int, trouble: float = 0.0, losses: float = 0.0) -> Pool:
    conductor = fresh_conductor(job)
    curves = draw_curves(seed, conductor.planned, EPOCHS, trouble)
    return Pool(conductor, curves, workers, np.random.default_rng(seed), losses=losses)


def flat(scores: list[float], **fate: Any) -> Curve:
    return Curve(tuple(scores), fate.pop("patience", len(scores)), **fate)


def journal(conductor: Conductor) -> Lines:
    assert isinstance(conductor._log, Lines)
    return conductor._log


@settings(deadline=None, max_examples=60)
@given(SCHEDULERS, SEEDS, WORKERS, TROUBLE, st.sampled_from([0.0, 0.1]))
def test_every_planned_trial_ends(
    scheduler: str, seed: int, workers: int, trouble: float, losses: float
) -> None:
    pool = new_pool(job_of(scheduler), seed, workers, trouble, losses)
    conductor = pool.conductor

    pool.run()

    trials = conductor.results.trials.values()
    assert conductor.complete != conductor.hopeless or not conductor.results.best()
    if conductor.complete:
        assert len(trials) == conductor.planned
        assert {trial.state for trial in trials} <= ENDED
    for trial in trials:
        end, state = pool.curves[trial.number].end()
        assert trial.state in {state, "stopped_early"} or "lost its worker" in (trial.error or "")
        assert trial.epochs_trained <= end
        known = pool.curves[trial.number].best(trial.epochs_trained)
        assert trial.score == (known if math.isfinite(known) else None)


@settings(deadline=None, max_examples=60)
@given(SCHEDULERS, SEEDS, WORKERS, TROUBLE)
def test_a_checkpoint_that_may_matter_is_never_given_away(
    scheduler: str, seed: int, workers: int, trouble: float
) -> None:
    pool = new_pool(job_of(scheduler), seed, workers, trouble)
    conductor = pool.conductor
    gone: set[str] = set()
    while not conductor.finished:
        pool.step()
        gone.update(conductor.state.beaten)
        best = conductor.results.best()
        ended = [t for t in conductor.results.ranked() if t.state in ENDED]
        assert best is None or best.id not in gone
        assert not ended or ended[0].id not in gone
        for trial_id in {*gone, *conductor.state.kept}:  # neither their state nor, if beaten, their model
            assert conductor.results.trials[trial_id].state in ENDED
        conductor.state.beaten.clear()
    if conductor.complete:
        best = conductor.results.best()
        assert len(gone) == conductor.planned - (best is not None)


@settings(deadline=None, max_examples=30)
@given(SCHEDULERS, SEEDS, WORKERS)
def test_each_event_is_journaled_before_it_is_acted_on(scheduler: str, seed: int, workers: int) -> None:
    """So what the journal adds up to is what the conductor holds."""
    pool = new_pool(job_of(scheduler), seed, workers, trouble=0.2)
    conductor = pool.conductor

    pool.run()

    again = make_conductor(job_of(scheduler), journal(conductor), Lines())
    assert again.results.trials == conductor.results.trials
    assert journal(again) == []
    assert again.finished
    results = [(e["trial"], e["epoch"]) for e in journal(conductor) if e["event"] == "result"]
    assert len(results) == len(set(results))


def test_reports_come_back_as_decisions_and_in_the_journal() -> None:
    job = job_of("none", trials=1)
    pool = new_pool(job, seed=0, workers=1)
    leg = pool.conductor.next_leg()
    assert leg is not None
    curve = flat([0.5, 0.4, 0.6], patience=3)

    answers = [pool.conductor.on_report(leg.trial, curve.report(epoch)).value for epoch in (1, 2, 3)]

    events = journal(pool.conductor)
    assert answers == ["continue", "continue", "stop"]
    assert [e["event"] for e in events] == ["start", "trial", "leg", "result", "result", "result", "end"]
    assert {key: events[5][key] for key in events[5] if key != "time"} == {
        "event": "result",
        "trial": "00000",
        "epoch": 3,
        "score": 0.6,
        "best_score": 0.4,
        "best_epoch": 2,
        "metrics": {"val_loss": 0.6},
        "seconds": 1.0,
        "ended": "done",
        "vitals": {},
        "rung": False,
    }
    assert (leg.epoch, leg.number, leg.milestones, leg.params.train.max_epochs) == (0, 0, (), EPOCHS)


def test_a_diverged_trial_takes_nobodys_place_at_a_rung_and_may_still_be_the_best() -> None:
    """Two of three go on from epoch 2; the one that was lost there had the best epoch of all."""
    job = make_job(
        search={"scheduler": "hyperband", "factor": 2, "min_epochs": 2},
        train={"max_epochs": 4},
        model={"units": "{int: {min: 1, max: 1000}}"},
    )
    pool = new_pool(job, seed=0, workers=1)
    pool.curves = [flat([0.1] * 4, diverges=2), *[flat([0.5] * 4)] * 9]

    pool.run()

    results = pool.conductor.results
    first = [(t.state, t.epochs_trained, t.score) for t in list(results.trials.values())[:3]]
    assert first == [("diverged", 2, 0.1), ("done", 4, 0.5), ("done", 4, 0.5)]
    best = results.best()
    assert best is not None
    assert (best.number, best.epoch) == (0, 1)


def test_a_report_heard_before_is_not_journaled_again() -> None:
    pool = new_pool(job_of("asha", trials=1), seed=0, workers=1)
    conductor, curve = pool.conductor, flat([0.5] * EPOCHS)
    leg = conductor.next_leg()
    assert leg is not None
    conductor.on_report(leg.trial, curve.report(1))
    conductor.on_report(leg.trial, curve.report(2))
    conductor.on_lost(leg.trial, "gone")

    again = conductor.next_leg()
    assert again is not None
    answers = [conductor.on_report(leg.trial, curve.report(epoch)).value for epoch in (1, 2, 3)]

    assert (again.epoch, again.milestones) == (2, (3,))
    assert answers == ["continue"] * 3
    assert [e["epoch"] for e in journal(conductor) if e["event"] == "result"] == [1, 2, 3]


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


@pytest.mark.parametrize("scheduler", ["none", "asha", "hyperband"])
def test_a_sweep_whose_first_trials_all_fail_gives_up(scheduler: str) -> None:
    pool = new_pool(job_of(scheduler), seed=0, workers=2)
    pool.curves = [flat([1.0] * EPOCHS, breaks=1)] * 20

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
    fine, broken = flat([1.0] * EPOCHS), flat([1.0] * EPOCHS, breaks=1)
    pool.curves = [fine, *[broken] * 19]

    pool.run()

    assert pool.conductor.complete
    assert pool.conductor.results.failed == pool.conductor.planned - 1
    assert pool.conductor.results.counts()["done"] == 1


def test_stopping_suspends_what_runs_and_starts_nothing() -> None:
    pool = new_pool(job_of("none", trials=5), seed=3, workers=2)
    pool.step()
    pool.step()
    conductor = pool.conductor

    conductor.stop()
    pool.run()

    assert conductor.finished
    assert not conductor.complete
    assert conductor.next_leg() is None
    assert conductor.results.counts()["paused"] + conductor.results.counts()["pending"] >= 1
    assert len(conductor.results.trials) == 2


def test_an_end_told_again_after_a_crash_still_ends_the_trial() -> None:
    pool = new_pool(job_of("none", trials=1), seed=0, workers=1)
    leg = pool.conductor.next_leg()
    assert leg is not None
    report = EpochReport(2, 0.5, 0.5, 2, {}, 1.0, None)
    pool.conductor.on_report(leg.trial, report)

    again = EpochReport(2, 0.5, 0.5, 2, {}, 1.0, "done")

    assert pool.conductor.on_report(leg.trial, again) is Decision.STOP
    assert pool.conductor.finished


# More of a GPU's memory


def on_gpu(share: float) -> Conductor:
    units = {"units": "{int: {min: 1, max: 1000}}"}
    job = make_job(search={"trials": 2}, train={"max_epochs": 3}, resources={"gpu": share}, model=units)
    return fresh_conductor(job)


def begun(conductor: Conductor) -> tuple[str, float]:
    leg = conductor.next_leg()
    assert leg is not None
    return leg.trial, leg.gpu


@pytest.mark.parametrize(("share", "more"), [(0.25, 0.5), (0.5, 1.0), (0.75, 1.0)])
def test_a_trial_that_runs_out_of_gpu_memory_runs_again_with_twice_the_share(
    share: float, more: float
) -> None:
    conductor = on_gpu(share)
    assert begun(conductor) == ("00000", share)

    conductor.on_exhausted("00000", "ResourceExhaustedError: OOM")

    trial = conductor.results.trials["00000"]
    assert (trial.state, trial.diagnosis) == ("paused", f"ran out of GPU memory, given {more:g} of a card")
    again = make_conductor(conductor._job, journal(conductor), Lines())  # after a crash, too
    for each in (conductor, again):
        assert begun(each) == ("00000", more)  # before any other
    assert begun(conductor) == ("00001", share)


@pytest.mark.parametrize(("share", "tries"), [(0.25, 2), (1.0, 1)])
def test_only_then_it_fails(share: float, tries: int) -> None:
    conductor = on_gpu(share)

    for _ in range(tries):
        begun(conductor)
        conductor.on_exhausted("00000", "ResourceExhaustedError: OOM")

    trial = conductor.results.trials["00000"]
    assert trial.state == "failed"
    assert trial.error == (
        f"needs more GPU memory than {min(1, share * tries):g} of a card has; lower train.batch_size or the "
        "network, or raise resources.gpu: ResourceExhaustedError: OOM"
    )
    assert begun(conductor)[0] == "00001"


def test_one_that_the_system_killed_for_want_of_memory_has_more_room_once_and_then_is_lost() -> None:
    conductor = fresh_conductor(make_job(search={"trials": 2}, train={"max_epochs": 3}))
    conductor.widest = 4
    rooms = []

    while conductor.results.failed == 0:
        leg = conductor.next_leg()
        assert leg is not None
        rooms.append((leg.trial, leg.cpu))
        conductor.on_exhausted("00000", "killed", killed=True)
        conductor.on_exhausted("00000", "killed", killed=True)  # it had been decided on already

    assert rooms == [("00000", 1), ("00000", 2), ("00000", 2), ("00000", 2)]
    assert conductor.results.trials["00000"].error == "lost its worker 3 times, at last by this: killed"


@pytest.mark.parametrize("resources", [{"cpu": 4}, {"gpu": 0.5}])
def test_one_that_was_killed_and_cannot_have_more_is_lost(resources: dict[str, Any]) -> None:
    conductor = fresh_conductor(make_job(search={"trials": 2}, resources=resources))
    conductor.widest = 4
    conductor.next_leg()

    conductor.on_exhausted("00000", "killed", killed=True)

    trial = conductor.results.trials["00000"]
    assert (trial.state, trial.stuck, trial.gpu, trial.cpu) == ("paused", 1, None, None)


def test_trials_that_cudnn_cannot_run_are_named_on_a_gpu_only() -> None:
    for share, said in ((0.5, "slower than by cuDNN: layer 1 is a simple_rnn"), (0.0, None)):
        job = make_job(search={"trials": 1}, resources={"gpu": share}, model={"cell": "simple_rnn"})
        conductor = fresh_conductor(job)
        begun(conductor)

        assert Results(journal(conductor)).trials["00000"].diagnosis == said


# What an epoch is


def test_where_an_epoch_is_a_part_of_a_pass_rungs_lie_within_the_first() -> None:
    fidelity = Fidelity(100, 10)
    job = make_job(search={"trials": 3, "scheduler": "asha"}, train={"max_epochs": 2})
    start = start_of(job) | {"fidelity": fidelity.to_json()}
    space = space_of(job)
    scheduler = make_scheduler(job, fidelity)
    conductor = Conductor(job, make_searcher(job, space, scheduler), scheduler, Lines([start]), [start])

    leg = conductor.next_leg()

    assert leg is not None
    assert leg.milestones == (1, 3, 9)
    assert (leg.params.train.max_epochs, leg.params.train.epoch_windows) == (20, 100)
    conductor.on_report(leg.trial, EpochReport(3, 0.5, 0.5, 2, {}, 1.0, None))
    shown = conductor.results.trials[leg.trial].to_json()
    assert (shown["epoch"], shown["epochs_trained"], shown["rung"]) == (0.2, 0.3, 0.3)
    assert conductor.results.epochs_trained() == 0.3


# Which models are worth keeping


def test_a_leg_is_told_what_to_beat_by_trials_that_have_ended() -> None:
    conductor = fresh_conductor(job_of("none"))
    first, second = (conductor.next_leg() for _ in range(2))
    assert first is not None
    assert second is not None
    assert (first.to_beat, second.to_beat, first.pauses) == (None, None, False)

    conductor.on_report(first.trial, EpochReport(1, 0.5, 0.5, 1, {}, 1.0, None))
    assert conductor.next_leg().to_beat is None  # type: ignore[union-attr]  # it may yet fail with its model
    conductor.on_report(first.trial, EpochReport(2, 0.6, 0.5, 1, {}, 1.0, "done"))
    conductor.on_report(second.trial, EpochReport(1, 0.7, 0.7, 1, {}, 1.0, "done"))

    assert conductor.next_leg().to_beat == 0.5  # type: ignore[union-attr]


def test_only_hyperband_pauses() -> None:
    for scheduler in ("none", "asha", "hyperband"):
        leg = fresh_conductor(job_of(scheduler)).next_leg()

        assert leg is not None
        assert leg.pauses == (scheduler == "hyperband")
