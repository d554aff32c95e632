"""One sweep's logic, driven by virtual workers through the calls that the real ones make."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.fidelity import Fidelity
from jobs.params import space_of
from jobs.report import EpochReport
from runner.conductor import Conductor
from runner.schedulers.choice import make_scheduler
from runner.schedulers.rungs import Decision
from runner.searchers.choice import make_searcher
from runner.trial import ENDED
from tests.runner.curves import SEEDS, TROUBLE, WORKERS, curve_of, make_job
from tests.runner.pool import Lines, fresh_conductor, make_conductor, start_of
from tests.runner.sweeps import EPOCHS, SCHEDULERS, job_of, journal, new_pool


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
        left = {"paused"} if conductor.hopeless else set()  # nobody goes on
        assert trial.state in {state, "stopped_early"} | left or "lost its worker" in (trial.error or "")
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
    curve = curve_of([0.5, 0.4, 0.6], patience=3)

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
    pool.curves = [curve_of([0.1] * 4, diverges=2), *[curve_of([0.5] * 4)] * 9]

    pool.run()

    results = pool.conductor.results
    first = [(t.state, t.epochs_trained, t.score) for t in list(results.trials.values())[:3]]
    assert first == [("diverged", 2, 0.1), ("done", 4, 0.5), ("done", 4, 0.5)]
    best = results.best()
    assert best is not None
    assert (best.number, best.epoch) == (0, 1)


def test_a_report_heard_before_is_not_journaled_again() -> None:
    pool = new_pool(job_of("asha", trials=1), seed=0, workers=1)
    conductor, curve = pool.conductor, curve_of([0.5] * EPOCHS)
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
