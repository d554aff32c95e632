"""Functions with a fit of their own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jobs.dataspec import Split
from jobs.errors import JobError
from jobs.trainstate import TrainState
from tests.jobs.hypermodels import OWN_FIT, built, trained
from tests.jobs.listener import task


def test_a_fit_with_callbacks_is_a_trial_like_any_other(write_module: Callable[[str], str]) -> None:
    given = task(
        built(write_module(OWN_FIT), "Mine", {"units": 3, "batch": 16}, max_epochs=4),
        milestones=(2,),
        pauses=True,
    )
    whole, half = trained(given), trained(given, stop_at=2)
    rest = trained(given, half.state, 2)

    assert [report.epoch for report in whole.reports] == [1, 2, 3, 4]
    assert [report.ended for report in whole.reports] == [None, None, None, "done"]
    assert [report.epoch for report in half.reports] == [1, 2]
    assert [report.epoch for report in rest.reports] == [3, 4]
    assert [report.score for report in half.reports + rest.reports] == [r.score for r in whole.reports]
    assert TrainState.from_bytes(half.state).now[1] == 2


def test_a_fit_without_callbacks_is_one_rung(write_module: Callable[[str], str]) -> None:
    (report,) = trained(task(built(write_module(OWN_FIT), "Silent", {"units": 3}, max_epochs=9))).reports

    assert (report.epoch, report.ended) == (1, "done")


def test_a_loop_of_ones_own_ends_the_trial_where_it_ends(write_module: Callable[[str], str]) -> None:
    found = trained(task(built(write_module(OWN_FIT), "Loop", {"units": 3}, max_epochs=9)))

    assert [(report.epoch, report.ended) for report in found.reports] == [(1, None), (2, None), (2, "done")]


def test_a_loop_that_tells_no_loss_has_not_diverged(write_module: Callable[[str], str]) -> None:
    text = OWN_FIT.replace('logs={"loss": float(loss)}', 'logs={"mine": 1.0}')
    found = trained(task(built(write_module(text), "Loop", {"units": 3}, max_epochs=2)))

    assert [report.ended for report in found.reports] == [None, "done"]
    assert all(report.metrics["loss"] is not None for report in found.reports)


def test_a_fit_of_ones_own_is_trained_on_every_fold(write_module: Callable[[str], str]) -> None:
    chosen = built(write_module(OWN_FIT), "Mine", {"units": 3, "batch": 16}, max_epochs=2)
    found = trained(task(chosen, split=Split(folds=2)))

    assert [report.epoch for report in found.reports] == [1, 2]
    assert found.reports[-1].metrics["score_spread"] > 0


def test_what_a_fit_raises_is_the_trials_failure(write_module: Callable[[str], str]) -> None:
    text = OWN_FIT.replace("loss = model.train_on_batch(x, y)", "raise RuntimeError('no luck')")
    with pytest.raises(JobError, match="raised RuntimeError: no luck"):
        trained(task(built(write_module(text), "Loop", {"units": 3})))
