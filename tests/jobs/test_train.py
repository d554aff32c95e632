"""Training one trial: what it reports, when it ends, and which model it leaves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from jobs.checkpoint import load_model
from jobs.cut import Cutter
from jobs.errors import JobError
from jobs.fold import Folds
from jobs.forecast import Served
from jobs.params import Params
from jobs.train import Task, train
from jobs.trainstate import TrainState
from jobs.windows import make_windows
from tests.jobs.listener import Listener, task, trained
from tests.jobs.small import params


def quick(**changes: Any) -> Params:
    """Parameters of a network that is built in no time."""
    return params(cell="simple_rnn", **changes)


UNSTEADY = task(quick(learning_rate=0.3, units=8, max_epochs=8), milestones=tuple(range(9)), pauses=True)
STOPPED = task(quick(max_epochs=4), milestones=(2,), pauses=True)


@pytest.fixture(scope="module")
def unsteady() -> Listener:
    """A trial that gets better and worse, and saves after every epoch."""
    return trained(UNSTEADY)


@pytest.fixture(scope="module")
def stopped() -> Listener:
    """A trial that its listener ended at a milestone."""
    return trained(STOPPED, stop_at=2)


def validation_error(model: Any, given: Task) -> float:
    """The served model's mean squared error on the validation part, in units of the training deviation."""
    window, rows = given.params.window, given.panel.rows
    starts = make_windows(given.folds[0], window).validation[:]
    forecast = Served(model, Cutter(given.panel, window)).forecast(starts)
    actual = np.stack([rows[start + 6 : start + 8, :1] for start in starts])
    return float(np.mean(((forecast - actual) / given.scalers[0].spread[0, 0]) ** 2))


def test_every_epoch_is_reported_and_the_last_one_ends_it() -> None:
    found = trained(task(quick(max_epochs=3)))

    assert [report.epoch for report in found.reports] == [1, 2, 3]
    assert [report.ended for report in found.reports] == [None, None, "done"]
    assert found.batches == 3 * (2 + 1)  # 29 windows in batches of 16, and the validation's one
    assert found.events == ["report 1", "report 2", "save model", "report 3"]
    for report in found.reports:
        assert set(report.metrics) == {"loss", "val_loss", "val_mae", "val_mse"}
        assert report.score == report.metrics["val_loss"] == report.metrics["val_mse"]
        assert report.seconds > 0


@pytest.mark.parametrize(("loss", "objective"), [("mse", "val_mae"), ("huber", "val_mse")])
def test_the_score_is_the_objective(loss: str, objective: str) -> None:
    (report,) = trained(task(quick(loss=loss, objective=objective, max_epochs=1))).reports

    assert report.score == report.best_score == report.metrics[objective]


def test_the_saved_model_is_the_best_epochs_and_not_the_lasts(unsteady: Listener) -> None:
    scores = [report.score for report in unsteady.reports]
    best = scores.index(min(scores)) + 1
    assert best < len(scores) == 8  # or the case would show nothing
    assert (unsteady.reports[-1].best_epoch, unsteady.reports[-1].best_score) == (best, min(scores))
    error = validation_error(load_model(unsteady.model), UNSTEADY)
    assert error == pytest.approx(min(scores), rel=1e-4)
    assert error != pytest.approx(scores[-1], rel=1e-2)


def test_vitals_tell_what_an_epoch_took_and_how_the_network_fares(unsteady: Listener) -> None:
    kinds = ("compile", "data", "train", "validate", "checkpoint")
    for report in unsteady.reports:
        vitals = report.vitals
        assert set(vitals) == {
            *(f"{kind}_seconds" for kind in kinds),
            "windows_per_second",
            "gradient_norm",
            "gradient_norm_max",
            "dead_units",
            "peak_memory_mb",
        }
        inside = sum(vitals[f"{kind}_seconds"] for kind in kinds if kind != "checkpoint")
        assert 0 < inside <= report.seconds + 0.01
        assert 0 < vitals["gradient_norm"] <= vitals["gradient_norm_max"]
        assert vitals["dead_units"] == 0.0
        assert vitals["windows_per_second"] > 0
        assert vitals["peak_memory_mb"] > 0
    assert unsteady.reports[0].vitals["checkpoint_seconds"] == 0  # nothing had been saved by then
    assert unsteady.reports[2].vitals["checkpoint_seconds"] > 0
    json.dumps([report.vitals for report in unsteady.reports], allow_nan=False)


def test_early_stopping_counts_epochs_without_improvement() -> None:
    found = trained(task(quick(patience=2, min_delta=10.0, max_epochs=9)))

    assert [report.ended for report in found.reports] == [None, None, "done"]
    assert found.reports[-1].best_epoch == int(
        1 + np.argmin([report.metrics["val_loss"] for report in found.reports])
    )


# What is saved, and when


def events(*, score: float | None, pauses: bool = False, interrupt_at: int | None = None) -> list[str]:
    """What a trial of three epochs with a milestone after each does, when that score is to be beaten."""
    given = task(quick(max_epochs=3), milestones=(1, 2, 3), pauses=pauses, to_beat=score)
    return trained(given, interrupt_at=interrupt_at).events


def test_a_trial_that_may_pause_is_saved_before_every_decision() -> None:
    assert events(score=0.0, pauses=True) == ["save state", "report 1", "save state", "report 2", "report 3"]


def test_a_trial_that_goes_on_is_saved_beside_its_training() -> None:
    """And not at its end, when nobody goes on from it."""
    assert events(score=0.0) == [
        "report 1",
        "save state beside",
        "report 2",
        "save state beside",
        "report 3",
    ]


def test_a_model_that_may_be_the_sweeps_best_is_on_storage_before_it_is_told_of() -> None:
    saved = ["save state and model", "report 1", "save state and model", "report 2", "save model", "report 3"]
    scores = [report.score for report in trained(task(quick(max_epochs=3))).reports]
    assert scores == sorted(scores, reverse=True)  # or the case would show less

    assert events(score=None) == saved
    assert events(score=scores[0]) == saved  # as good as the best, and perhaps the earlier trial
    assert events(score=scores[1]) == ["report 1", "save state beside", *saved[2:]]


def test_what_was_saved_is_not_saved_again_when_it_leaves() -> None:
    assert events(score=0.0, pauses=True, interrupt_at=4) == ["save state", "report 1"]


@pytest.mark.parametrize(("interrupt_at", "saved"), [(4, ["save state"]), (None, [])])  # an epoch asks thrice
def test_a_trial_that_is_dropped_is_saved_only_if_it_is_to_go_on(
    interrupt_at: int | None, saved: list[str]
) -> None:
    given = task(quick(max_epochs=3), milestones=(1,), to_beat=0.0)

    found = trained(given, stop_at=1, interrupt_at=interrupt_at)

    assert found.events == ["report 1", *saved]


def test_a_model_is_saved_again_only_when_there_is_a_better_one(unsteady: Listener) -> None:
    bests = [report.best_epoch for report in unsteady.reports]
    better = [now != before for before, now in zip([0, *bests], bests, strict=False)]
    saved = "; ".join(unsteady.events).split("report")[:-1]  # what was saved before each report
    models = ["model" in before for before in saved]
    assert models == better


def test_a_listener_may_end_the_trial(stopped: Listener) -> None:
    assert stopped.events[-2:] == ["save state and model", "report 2"]
    assert stopped.reports[-1].ended is None


# Schedules and clipping


def first_losses(**changes: Any) -> list[float]:
    """What the first epochs' training found."""
    return [report.metrics["loss"] for report in trained(task(quick(max_epochs=2, **changes))).reports]


def test_a_cosine_schedule_begins_with_the_rate_and_ends_near_zero() -> None:
    constant = trained(task(quick(max_epochs=4, optimizer="sgd", batch_size=64)))
    cosine = trained(task(quick(max_epochs=4, optimizer="sgd", batch_size=64, schedule="cosine")))

    assert cosine.told()[0] == constant.told()[0]  # of one step each
    gained = [
        [before.metrics["loss"] - after.metrics["loss"] for before, after in pairwise(r)]
        for r in (constant.reports, cosine.reports)
    ]
    wanted = (1.0, (1 + 0.5**0.5) / 2, 0.5)  # cosine's share of the rate in steps 1 to 3
    for share, ours, whole in zip(wanted, gained[1], gained[0], strict=True):
        assert ours / whole == pytest.approx(share, rel=0.05)


def test_clipping_bounds_what_an_epoch_learns() -> None:
    free, clipped, loose = (first_losses(optimizer="sgd", clip_norm=clip) for clip in (None, 1e-6, 1e6))

    assert loose == free
    assert clipped[0] != free[0]
    assert clipped[0] == pytest.approx(clipped[1], rel=1e-4) != free[1]


# Losing it


def no_nan(found: Listener) -> None:
    json.dumps([asdict(report) for report in found.reports], allow_nan=False)


def test_a_lost_loss_ends_the_trial_as_diverged_without_a_number_that_is_none() -> None:
    found = trained(task(quick(optimizer="sgd", learning_rate=1e30)))

    (report,) = found.reports
    assert (report.ended, report.score, report.best_score, report.best_epoch) == ("diverged", None, None, 0)
    assert found.events == ["report 1"]
    no_nan(found)


def test_a_lost_loss_is_noticed_within_a_long_epoch() -> None:
    found = trained(task(quick(optimizer="sgd", learning_rate=1e30, batch_size=1), steps=150))

    assert [report.ended for report in found.reports] == ["diverged"]
    assert found.batches == 1  # of 83: the second one's loss is lost, and nobody is asked any more


def test_what_was_best_before_it_diverged_is_kept(stopped: Listener) -> None:
    state = TrainState.from_bytes(stopped.state)
    state.now[0][:] = np.nan

    known = replace(STOPPED, models=frozenset({state.progress.best_epoch}))
    found = trained(known, state.to_bytes(), known_epochs=2)

    (report,) = found.reports
    assert (report.epoch, report.ended, report.score) == (3, "diverged", None)
    assert (report.best_epoch, report.best_score) == (state.progress.best_epoch, state.progress.best_score)
    no_nan(found)
    assert found.events == ["report 3"]  # all that is worth keeping was kept before


# Refusals


def test_a_state_of_another_network_is_refused(stopped: Listener) -> None:
    with pytest.raises(JobError) as error:
        trained(task(quick(units=5)), stopped.state)

    assert str(error.value) == "a trial's saved state belongs to another network; the trial starts over"


def test_compiling_gives_signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    alive: list[bool] = []

    class Patient(Listener):
        @contextmanager
        def alive(self) -> Iterator[None]:
            alive.append(True)
            yield
            alive.pop()

    compiling: list[bool] = []
    expect = Folds.expect

    def noted(*given: Any) -> None:
        compiling.append(bool(alive))
        expect(*given)

    monkeypatch.setattr(Folds, "expect", noted)

    train(task(params(max_epochs=1)), Patient())

    assert compiling
    assert all(compiling)
