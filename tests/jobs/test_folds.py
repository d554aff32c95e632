"""Rolling-origin folds: what each is trained and validated on, and what a trial makes of them."""

from __future__ import annotations

from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from jobs.dataspec import Split
from jobs.parts import split_folds, split_panel
from jobs.scaling import Scaling, fit_scaler
from jobs.trainstate import TrainState
from jobs.windows import make_windows
from tests.jobs.layouts import window
from tests.jobs.listener import task, trained
from tests.jobs.small import panel, params

SPLIT = Split(validation=12, test=10, folds=3)


@settings(deadline=None, derandomize=True)
@given(
    lengths=st.lists(st.integers(1, 80), min_size=1, max_size=5),
    validation=st.floats(0.05, 0.3) | st.integers(1, 20),
    test=st.floats(0, 0.09) | st.integers(1, 20),
    gap=st.integers(0, 4),
    folds=st.integers(1, 3),
)
def test_no_fold_sees_what_it_is_validated_on_nor_the_test(
    lengths: list[int], validation: float, test: float, gap: int, folds: int
) -> None:
    found = panel(*lengths)
    split = Split(validation=validation, test=test, gap=gap, folds=folds)

    made = split_folds(found, split)

    assert len(made) == folds
    last = split_panel(found, split)
    for number, parts in enumerate(made):
        assert (parts.test == last.test).all()
        assert (parts.train_end <= np.maximum(parts.validation - gap, parts.train)).all()
        assert (parts.validation <= parts.validation_end).all()
        held = parts.validation_end > parts.validation
        assert (parts.validation_end <= parts.test - gap)[held].all()
        if number:  # of as many steps as the series has, one part lies before the other
            held = made[number - 1].validation_end > made[number - 1].validation
            assert (made[number - 1].validation_end <= parts.validation - gap)[held].all()
            assert (made[number - 1].train_end <= parts.train_end).all()
        windows = make_windows(parts, replace(window("plain"), lookback=2, horizon=1))
        trained_on = {row + step for row in windows.train[:].tolist() for step in range(3)}
        validated = {row + 2 for row in windows.validation[:].tolist()}
        tested = {row + 2 for row in windows.test[:].tolist()}
        assert not trained_on & validated
        assert not (trained_on | validated) & tested


def test_folds_are_of_one_length_and_the_last_is_the_split_without_them() -> None:
    made = split_folds(panel(100), SPLIT)

    assert [(int(each.validation[0]), int(each.validation_end[0])) for each in made] == [
        (54, 66),
        (66, 78),
        (78, 90),
    ]
    assert made[-1] == split_panel(panel(100), replace_folds(1))


def replace_folds(folds: int) -> Split:
    return SPLIT.model_copy(update={"folds": folds})


def test_a_trials_score_is_the_mean_over_its_folds_and_tells_the_spread() -> None:
    chosen = params(max_epochs=2, learning_rate=0.02)
    given_task = task(chosen, steps=100, split=SPLIT)
    together = trained(given_task)

    alone = []
    for parts, scaler in zip(given_task.folds, given_task.scalers, strict=True):
        one = replace(given_task, folds=(parts,), scalers=(scaler,))
        alone.append([report.metrics for report in trained(one).reports])

    for epoch, report in enumerate(together.reports):
        for name in ("loss", "val_loss", "val_mse", "val_mae"):
            values = [metrics[epoch][name] for metrics in alone]
            assert report.metrics[name] == pytest.approx(np.mean(values), rel=1e-6)
            if name != "loss":
                assert report.metrics[f"{name}_spread"] == pytest.approx(np.std(values, ddof=1), rel=1e-5)
        assert report.score == report.metrics["val_loss"]
    assert "val_loss_spread" not in alone[0][0]


def test_each_fold_is_scaled_by_its_own_training_part() -> None:
    found = panel(100)
    found.rows[:] += np.arange(100)[:, None] / 3  # what is learnt later lies higher

    centres = [fit_scaler(found, parts, Scaling()).centre[0, 0] for parts in split_folds(found, SPLIT)]

    assert centres == sorted(set(centres))


def test_an_interrupted_trial_of_folds_goes_on_where_it_was() -> None:
    chosen = params(max_epochs=4, dropout=0.3, batch_size=8)
    given_task = task(chosen, steps=100, split=SPLIT)
    whole = trained(given_task)
    asked = whole.batches // 4

    left = trained(given_task, interrupt_at=asked + asked // 2)  # in the middle of the second epoch
    rest = trained(given_task, left.state, known_epochs=1)

    assert [*left.told(), *rest.told()] == whole.told()
    assert len(TrainState.from_bytes(left.state).now) == 3 * len(TrainState.from_bytes(left.state).best) * 4


def test_the_model_is_that_of_the_longest_fold() -> None:
    chosen = params(max_epochs=1)
    given_task = task(chosen, steps=100, split=SPLIT)
    last = replace(given_task, folds=given_task.folds[-1:], scalers=given_task.scalers[-1:])

    assert weights_of(trained(given_task).model) == weights_of(trained(last).model)


def weights_of(model: bytes) -> list[bytes]:
    from jobs.checkpoint import load_model

    return [weight.tobytes() for weight in load_model(model).get_weights()]
