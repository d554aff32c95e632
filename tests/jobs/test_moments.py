"""Count, mean, variance and extremes of each series' training part, against NumPy."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from jobs import moments
from jobs.dataspec import Split
from jobs.moments import least_targets, training_moments, training_sample
from jobs.parts import split_panel
from tests.jobs.layouts import rich_panel
from tests.jobs.small import panel

PANEL = rich_panel()
PARTS = split_panel(PANEL, Split(validation=6, test=6))


@settings(deadline=None, derandomize=True)
@given(block=st.integers(1, 90))
def test_each_series_is_what_numpy_gives_where_values_are_known(block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moments, "BLOCK", block)
        found = training_moments(PANEL, PARTS, extremes=True)

    for number, (begin, end) in enumerate(zip(PARTS.train, PARTS.train_end, strict=True)):
        for column in range(len(PANEL.columns)):
            values = PANEL.rows[begin:end, column].astype(np.float64)
            if column < PANEL.masks:
                values = values[PANEL.rows[begin:end, 6 + column] == 0]
            assert found.count[number, column] == len(values)
            if len(values):
                each = (found.mean, found.variance, found.least, found.most)
                wanted = (values.mean(), values.var(), values.min(), values.max())
                got = [array[number, column] for array in each]
                np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-12)


def test_all_together_are_as_one() -> None:
    found = training_moments(PANEL, PARTS, extremes=True).together()

    known = [
        np.concatenate(
            [
                PANEL.rows[begin:end, column][PANEL.rows[begin:end, 6 + column] == 0]
                for begin, end in zip(PARTS.train, PARTS.train_end, strict=True)
            ]
        ).astype(np.float64)
        for column in range(PANEL.masks)
    ]
    for column, values in enumerate(known):
        got = [each[0, column] for each in (found.count, found.mean, found.variance, found.least, found.most)]
        wanted = [len(values), values.mean(), values.var(), values.min(), values.max()]
        np.testing.assert_allclose(got, wanted, rtol=1e-9)


def test_what_is_looked_at_may_be_transformed_first() -> None:
    found = training_moments(PANEL, PARTS, lambda rows: np.log(np.abs(rows) + 1.0))

    begin, end = PARTS.train[0], PARTS.train_end[0]
    wanted = np.log(np.abs(PANEL.rows[begin:end, 3]) + 1.0).mean()
    assert found.mean[0, 3] == pytest.approx(wanted, rel=1e-6)


def test_a_sample_is_of_training_rows_and_tells_which_targets_are_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    every, known = training_sample(PANEL, PARTS)
    monkeypatch.setattr(moments, "_SAMPLED", 20)
    monkeypatch.setattr(moments, "_AT_ONCE", 7)
    some, _ = training_sample(PANEL, PARTS)

    inside = np.concatenate([np.arange(*pair) for pair in zip(PARTS.train, PARTS.train_end, strict=True)])
    np.testing.assert_array_equal(every, PANEL.rows[inside, :2])
    np.testing.assert_array_equal(known, PANEL.rows[inside, 6:8] == 0)
    assert len(some) == 20
    assert {tuple(row) for row in some.tolist()} < {tuple(row) for row in every.tolist()}


def test_the_least_of_each_target_is_found_wherever_it_is() -> None:
    found = panel(40, 200_000, targets=2)
    found.rows[190_000] = -7

    assert least_targets(found).tolist() == [-7, -7]
