"""What decides how a trial's programs are compiled: the job and the trial's place in it, nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.outlook import ALONE, Outlook, alike
from jobs.params import space_of
from tests.jobs.small import job


@pytest.mark.parametrize(
    ("overrides", "share"),
    [
        ((), 24),
        (("model.cell={choice: [gru, lstm]}",), 12),
        (("model.cell={choice: [gru, lstm]}", "model.layers={int: {min: 1, max: 3}}"), 4),
        (("train.learning_rate={float: {min: 0.1, max: 0.2}}",), 24),
        (("train.clip_norm={float: {min: 0.1, max: 9}}", "window.stride={choice: [1, 2]}"), 24),
        (("model.dropout={float: {min: 0, max: 0.5}}", "train.schedule={choice: [constant, cosine]}"), 24),
        (("model.layers=[{units: {choice: [3, 4]}, dropout: {choice: [0.1, 0.2]}}]",), 12),
        (("model.units={int: {min: 1, max: 100}}",), 1),  # never less
        (("window.lookback={choice: [8, 16, 24]}",), 8),
    ],
)
def test_trials_that_differ_in_what_is_compiled_do_not_share(
    overrides: tuple[str, ...], share: float
) -> None:
    assert alike(space_of(job(*overrides)), 24) == share


def test_a_stretch_lies_between_two_rungs() -> None:
    found = Outlook((1, 3, 9))

    assert [found.stretch(epoch, 27) for epoch in (0, 1, 2, 3, 8, 9, 26)] == [
        *((0, 1), (1, 3), (1, 3)),
        *((3, 9), (3, 9), (9, 27), (9, 27)),
    ]
    assert ALONE.stretch(5, 27) == (0, 27)


def test_a_trial_alone_counts_the_epochs_of_its_stretch() -> None:
    found = Outlook((1, 3, 9))

    assert [found.epochs(epoch, 27) for epoch in (1, 3, 9)] == [2, 6, 18]
    assert found.epochs(0, 27) == pytest.approx(1.5)  # half of 3: 1 for all, 2 for a third, 6 for a ninth …
    assert ALONE.epochs(0, 27) == 27


def test_many_trials_alike_count_together() -> None:
    assert Outlook((1, 3, 9), alike=10).epochs(0, 27) == pytest.approx(15)
    assert Outlook((1, 3, 9), alike=10).epochs(9, 27) == 18  # it alone trains as long from there
    assert Outlook((), alike=10).epochs(0, 5) == 25


@given(st.lists(st.integers(1, 60), unique=True).map(sorted), st.integers(0, 59), st.floats(1, 100))
def test_it_is_the_same_in_all_of_a_stretch(rungs: list[int], epoch: int, share: float) -> None:
    found = Outlook(tuple(rungs), share)
    before, after = found.stretch(epoch, 60)

    assert before <= epoch < after
    assert found.stretch(before, 60) == (before, after)
    assert found.epochs(epoch, 60) == found.epochs(before, 60) >= after - before
