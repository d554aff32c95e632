"""Scaling by series goes to a file and comes back for the series of another panel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from jobs.dataspec import Split
from jobs.errors import JobError
from jobs.parts import Parts, split_panel
from jobs.scalerfile import read_scaler, scaler_bytes
from jobs.scaling import Scaling, fit_scaler
from jobs.transform import Powers
from tests.jobs.layouts import rich_panel

PANEL = rich_panel()
HOW = Scaling("standard", by_series=True)
SCALER = fit_scaler(PANEL, split_panel(PANEL, Split()), HOW)


def test_each_series_gets_its_own_back_whatever_the_order() -> None:
    other = replace(PANEL, series=("s", "p", "r", "q"))

    found, new = read_scaler(scaler_bytes(PANEL, SCALER), other, HOW, None)

    np.testing.assert_array_equal(found.centre, SCALER.centre[[3, 0, 2, 1]])
    np.testing.assert_array_equal(found.spread, SCALER.spread[[3, 0, 2, 1]])
    assert not len(new)


def test_a_series_that_training_did_not_have_is_scaled_by_all_of_its_history() -> None:
    other = replace(PANEL, series=("p", "q", "r", "new"))

    found, new = read_scaler(scaler_bytes(PANEL, SCALER), other, HOW, None)

    assert new.tolist() == [3]
    prices = PANEL.rows[PANEL.offsets[3] :, 3].astype(np.float64)
    assert (found.centre[3, 3], found.spread[3, 3]) == pytest.approx((prices.mean(), prices.std()))
    np.testing.assert_array_equal(found.centre[:3], SCALER.centre[:3])


def test_static_features_are_scaled_as_in_training_whatever_series_there_are() -> None:
    other = replace(PANEL, series=("a", "b", "c", "d"), static=PANEL.static * 50)

    found, _ = read_scaler(scaler_bytes(PANEL, SCALER), other, HOW, None)

    np.testing.assert_array_equal(found.centre[:, 9:], SCALER.centre[:, 9:])
    np.testing.assert_array_equal(found.spread[:, 9:], SCALER.spread[:, 9:])


def test_new_series_are_raised_to_the_models_powers() -> None:
    other, how = replace(PANEL, series=("a", "b", "c", "d")), replace(HOW, transform="box_cox")
    powers = Powers.fit([PANEL.rows[:, 0], PANEL.rows[:, 1]], "box_cox")

    found, _ = read_scaler(scaler_bytes(PANEL, SCALER), other, how, powers)

    ends = PANEL.offsets[1:]
    every = Parts(PANEL.offsets[:-1], ends, ends, ends, ends, ends)
    wanted = fit_scaler(PANEL, every, how, powers).centre
    np.testing.assert_array_equal(found.centre[:, :9], wanted[:, :9])


@pytest.mark.parametrize(
    "spoil", [lambda data: data[:-9], lambda _: b"", lambda data: data.replace(b"PAR1", b"XXXX")]
)
def test_a_damaged_file_is_refused(spoil: object) -> None:
    with pytest.raises(JobError, match="cannot be read"):
        read_scaler(spoil(scaler_bytes(PANEL, SCALER)), PANEL, HOW, None)  # type: ignore[operator]


def test_a_file_of_other_columns_is_refused() -> None:
    other = replace(PANEL, columns=("b", "a", *PANEL.columns[2:]))

    with pytest.raises(JobError, match="of other columns than the model's"):
        read_scaler(scaler_bytes(PANEL, SCALER), other, HOW, None)
