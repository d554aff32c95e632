"""A trial that was interrupted goes on as if it had not been, bit for bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from jobs.checkpoint import load_model
from jobs.params import LayerParams, Params
from jobs.schedules import plateaus
from jobs.train import Task
from tests.jobs.listener import Listener, task, trained
from tests.jobs.small import params

BATCHES = 4  # an epoch's: 29 windows in batches of 8
ASKED = BATCHES + 1  # times an epoch asks whether to leave: after each batch, the validation's one included


def stack(cell: str, **changes: object) -> Params:
    """A network with dropout, so that its random state counts too."""
    layers = (LayerParams(cell, 3, "tanh", 0.3),)
    return params(**({"layers": layers, "batch_size": 8, "max_epochs": 4} | changes))


TWO = (LayerParams("simple_rnn", 3, "tanh", 0.3), LayerParams("simple_rnn", 2, "tanh", 0.2))
GRU = task(stack("gru"), milestones=(3,), pauses=True)


@pytest.fixture(scope="module")
def whole() -> Listener:
    """The small GRU's trial, never interrupted; with a milestone, which changes nothing."""
    return trained(GRU)


def test_the_same_seed_gives_the_same_bits_and_another_does_not(whole: Listener) -> None:
    again, other = (trained(task(stack("gru"), seed=seed)) for seed in (3, 4))

    assert again.told() == whole.told()
    assert again.arrays() == whole.arrays()
    assert other.told() != whole.told()


def in_pieces(chosen: Params, cuts: list[int]) -> list[Listener]:
    """The trial, interrupted after so many batches of each run, then run to its end."""
    runs: list[Listener] = []
    for cut in [*cuts, None]:
        state = runs[-1].state if runs and runs[-1].saves else None
        known = sum(len(run.reports) for run in runs)
        runs.append(trained(task(chosen), state, known, interrupt_at=cut))
    return runs


@pytest.mark.parametrize(
    ("chosen", "cuts"),
    [
        (stack("simple_rnn"), [2 * ASKED + 1]),
        (stack("lstm"), [BATCHES, 2 * ASKED + 3]),  # first at an epoch's last batch, before its validation
        (stack("simple_rnn"), [2 * ASKED]),  # in the second epoch's validation
        (stack("simple_rnn", layers=TWO, optimizer="rmsprop", scale="instance", stride=2), [5]),
        (stack("simple_rnn", schedule="cosine", clip_norm=0.5, loss="quantile", quantile=0.8), [ASKED + 2]),
    ],
    ids=["simple_rnn", "lstm-twice", "in-validation", "stack-rmsprop-instance", "cosine-clipped-quantile"],
)
def test_an_interrupted_trial_goes_on_where_it_was(chosen: Params, cuts: list[int]) -> None:
    goes_on_as(trained(task(chosen)), in_pieces(chosen, cuts), cuts)


def test_an_interrupted_gru_goes_on_where_it_was(whole: Listener) -> None:
    cuts = [3 * ASKED + 2]

    runs = in_pieces(stack("gru"), cuts)

    goes_on_as(whole, runs, cuts)
    assert runs[0].events == ["report 1", "report 2", "report 3", "save state and model"]


def worsening(**changes: object) -> Task:
    """A trial whose validation gets worse with every epoch: what it learns to be high is low there."""
    layers = (LayerParams("simple_rnn", 3, "sigmoid", 0.3),)
    given = task(stack("simple_rnn", layers=layers, scale="none", max_epochs=9, **changes))
    level = np.where(np.arange(len(given.panel.rows)) < given.folds[0].validation[0], 5, -5)
    noise = np.random.default_rng(1).normal(scale=0.1, size=given.panel.rows.shape)
    rows = (level[:, None] + noise).astype(np.float32)
    return replace(given, panel=replace(given.panel, rows=rows))


def test_a_learning_rate_that_plateaus_have_reduced_stays_reduced() -> None:
    """The rate depends on the scores of all epochs, those before the interruption too."""
    given = worsening(schedule="reduce_on_plateau")
    whole, unscheduled = trained(given), trained(worsening())
    scores = [report.score for report in whole.reports]
    assert [plateaus(scores[:epoch]) for epoch in range(9)] == [0, 0, 0, 0, 1, 1, 1, 2, 2]

    for epoch in (3, 4, 5, 8):  # within the first plateau, as it ends, after it, after the second
        left = trained(given, interrupt_at=epoch * ASKED + 1)
        rest = trained(given, left.state, known_epochs=epoch)

        assert [len(run.reports) for run in (left, rest)] == [epoch, 9 - epoch]
        assert left.told() + rest.told() == whole.told()
        assert rest.arrays() == whole.arrays()

    assert whole.told()[:4] == unscheduled.told()[:4]
    steps, unscheduled_steps = (
        np.diff([report.score for report in run.reports]) for run in (whole, unscheduled)
    )
    assert steps[3] / unscheduled_steps[3] == pytest.approx(0.3, abs=0.03)  # the fifth epoch's rate is 0.3
    assert steps[6] / unscheduled_steps[6] < 0.2  # and the eighth's is 0.3 of that


def test_how_many_batches_go_into_a_call_changes_nothing(whole: Listener) -> None:
    found = trained(GRU, at_once=32)

    assert found.told() == whole.told()
    assert found.arrays() == whole.arrays()
    assert found.batches == 4 * 2  # once in every epoch's training and once in its validation


def test_a_trial_that_is_asked_less_often_goes_on_where_it_was_too(whole: Listener) -> None:
    left = trained(GRU, at_once=2, interrupt_at=3 + 2)  # an epoch asks three times

    found = trained(GRU, left.state, known_epochs=1, at_once=3)

    assert [report.epoch for report in left.reports] == [1]
    assert left.told() + found.told() == whole.told()
    assert found.arrays() == whole.arrays()


def goes_on_as(whole: Listener, runs: list[Listener], cuts: list[int]) -> None:
    assert [report for run in runs for report in run.told()] == whole.told()
    assert runs[-1].arrays() == whole.arrays()
    assert [run.batches for run in runs[:-1]] == cuts
    assert bool(runs[0].saves) == bool(runs[0].reports)  # before the first epoch's end there is nothing
    best, wanted = (load_model(run.model).get_weights() for run in (kept(runs), whole))
    assert [array.tobytes() for array in best] == [array.tobytes() for array in wanted]


def kept(runs: list[Listener]) -> Listener:
    """The run that saved a model last: it is not saved again unless there is a better one."""
    return next(run for run in reversed(runs) if any(model for _, model in run.saves))


def test_reports_that_the_listener_lost_are_told_again(whole: Listener) -> None:
    state = whole.saves[0][0]

    found = trained(GRU, state, known_epochs=1)

    assert found.told() == whole.told()[1:]
    assert [report.seconds for report in found.reports[:2]] == [r.seconds for r in whole.reports[1:3]]
    assert found.batches == ASKED  # only the fourth epoch is trained


def test_the_best_count_goes_on_too() -> None:
    """Early stopping waits as long as it would have, interruption or not."""
    chosen = stack("simple_rnn", patience=2, min_delta=10.0)

    runs = in_pieces(chosen, [BATCHES + 1])

    assert [report.ended for run in runs for report in run.reports] == [None, None, "done"]
