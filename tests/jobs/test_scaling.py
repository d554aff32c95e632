"""What values are scaled by, against NumPy on the training rows."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from jobs import moments, scaling
from jobs.dataspec import Split
from jobs.errors import JobError
from jobs.panel import Panel
from jobs.parts import split_panel
from jobs.scaling import Scaling, fit_scaler, scaler_of
from tests.jobs.layouts import rich_panel
from tests.jobs.small import panel, standard


def test_the_scaler_knows_the_training_part_alone() -> None:
    found = panel(30, 50, columns=3)
    split = Split(validation=0.3, test=7)
    parts = split_panel(found, split)
    known = np.concatenate([found.rows[: 30 - 9 - 7], found.rows[30 : 80 - 15 - 7]]).astype(np.float64)

    scaler = standard(found, parts)

    np.testing.assert_allclose(scaler.centre[0], known.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(scaler.spread[0], known.std(axis=0), rtol=1e-12)


def test_one_long_series_is_scaled_in_pieces() -> None:
    found = panel(1_500_000, columns=2)
    parts = split_panel(found, Split())
    known = found.rows[:900_000].astype(np.float64)

    tracemalloc.start()
    try:
        scaler = standard(found, parts)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    np.testing.assert_allclose(scaler.centre[0], known.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(scaler.spread[0], known.std(axis=0), rtol=1e-12)
    assert peak < found.rows.nbytes / 3


@pytest.mark.parametrize(("value", "length"), [(1e6, 30), (0.1, 400_000)])
def test_a_constant_column_is_only_shifted(value: float, length: int) -> None:
    """Also where 0.1 times a large number is not what adding it up gives."""
    found = panel(length)
    found.rows[:, 1] = value

    scaler = standard(found, split_panel(found, Split()))

    assert (scaler.centre[0, 1], scaler.spread[0, 1]) == (np.float32(value), 1.0)


@settings(deadline=None, derandomize=True)
@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=12),
    block=st.integers(1, 40),
    validation=st.floats(0.01, 0.5) | st.integers(1, 12),
)
def test_short_series_in_any_blocks_are_scaled_alike(
    lengths: list[int], block: int, validation: float
) -> None:
    found = panel(*lengths)
    parts = split_panel(found, Split(validation=validation, test=0.2))
    ranges = zip(parts.train, parts.validation, strict=True)
    known = np.concatenate([found.rows[begin:stop] for begin, stop in ranges]).astype(np.float64)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moments, "BLOCK", block)
        scaler = standard(found, parts)

    if len(known):
        np.testing.assert_allclose(scaler.centre[0], known.mean(axis=0), rtol=1e-12)
        deviation = np.where(np.ptp(known, axis=0) > 0, known.std(axis=0), 1)
        np.testing.assert_allclose(scaler.spread[0], deviation, rtol=1e-9)


def test_a_scaler_is_kept_beside_its_panel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    panel(30, 50).save(tmp_path)
    found = Panel.load(tmp_path)
    parts, others = split_panel(found, Split()), split_panel(found, Split(validation=9))
    first = scaler_of(found, parts, Scaling())

    assert np.array_equal(first.centre, standard(found, parts).centre)
    assert not np.array_equal(scaler_of(found, others, Scaling()).centre, first.centre)
    monkeypatch.setattr(scaling, "fit_scaler", lambda *_: pytest.fail("it is known"))
    again = scaler_of(found, parts, Scaling())
    assert np.array_equal(again.centre, first.centre)
    assert np.array_equal(again.spread, first.spread)
    assert len(list(tmp_path.glob("*scaler*"))) == 2


# Kinds


RICH = rich_panel()
FOLD = split_panel(RICH, Split(validation=6, test=6))


def test_ranges_are_brought_to_0_and_1() -> None:
    scaler = fit_scaler(RICH, FOLD, Scaling("min_max"))

    rows = np.concatenate(
        [RICH.rows[begin:end] for begin, end in zip(FOLD.train, FOLD.train_end, strict=True)]
    )
    scaled = (rows[:, 3:5] - scaler.centre[0, 3:5]) / scaler.spread[0, 3:5]
    np.testing.assert_allclose([scaled.min(axis=0), scaled.max(axis=0)], [[0, 0], [1, 1]], atol=1e-6)


@pytest.mark.parametrize("kind", ["standard", "min_max"])
def test_the_calendar_masks_and_categories_stay_as_they_are(kind: str) -> None:
    for by_series in (False, True):
        scaler = fit_scaler(RICH, FOLD, Scaling(kind, by_series))

        plain = [5, 6, 7, 8, 9, 10]
        assert (scaler.centre[:, plain] == 0).all()
        assert (scaler.spread[:, plain] == 1).all()


def test_static_numbers_are_scaled_over_the_series() -> None:
    sizes = RICH.static[:, 2].astype(np.float64)
    standard_, ranged = (fit_scaler(RICH, FOLD, Scaling(kind)) for kind in ("standard", "min_max"))

    assert (standard_.centre[0, 11], standard_.spread[0, 11]) == pytest.approx((sizes.mean(), sizes.std()))
    assert (ranged.centre[0, 11], ranged.spread[0, 11]) == (5.0, 25.0)


def test_each_series_has_its_own_and_one_without_a_training_part_that_of_all() -> None:
    own, together = (fit_scaler(RICH, FOLD, Scaling("standard", by)) for by in (True, False))

    assert own.centre.shape == (4, 12)
    assert FOLD.train_end[1] == FOLD.train[1]  # the second has none
    np.testing.assert_array_equal(own.centre[1], together.centre[0])
    prices = RICH.rows[FOLD.train[3] : FOLD.train_end[3], 3].astype(np.float64)
    assert (own.centre[3, 3], own.spread[3, 3]) == pytest.approx((prices.mean(), prices.std()))
    centre, spread = own.of(np.array([3, 0, 3]))
    assert centre.shape == spread.shape == (3, 1, 12)
    np.testing.assert_array_equal(centre[0, 0], own.centre[3].astype(np.float32))


@pytest.mark.parametrize(("transform", "powers"), [("log", [0.0, 0.0]), ("box_cox", None)])
def test_targets_are_scaled_as_they_are_after_their_power(transform: str, powers: list[float] | None) -> None:
    scaler = fit_scaler(RICH, FOLD, Scaling("standard", transform=transform))

    assert scaler.powers is not None
    if powers is not None:
        assert scaler.powers.power.tolist() == powers
    known = [RICH.rows[begin:end] for begin, end in zip(FOLD.train, FOLD.train_end, strict=True)]
    rows = np.concatenate(known)
    values = scaler.powers.raised(np, rows[:, :2].astype(np.float64))[rows[:, 6] == 0, 0]
    assert (scaler.centre[0, 0], scaler.spread[0, 0]) == pytest.approx(
        (values.mean(), values.std()), rel=1e-6
    )


def test_a_target_that_is_not_positive_has_no_logarithm() -> None:
    rows = RICH.rows.copy()
    rows[70, 1] = 0
    found = replace(RICH, rows=rows)

    with pytest.raises(JobError) as error:
        fit_scaler(found, FOLD, Scaling("standard", transform="log"))

    assert str(error.value) == (
        "window.transform: log is for positive targets, and 'b' has 0; "
        "write transform: none, or leave such rows out by data.where"
    )


def test_without_scaling_nothing_is_read() -> None:
    scaler = fit_scaler(replace(RICH, rows=np.empty((0, 9), np.float32)), FOLD, Scaling("none"))

    assert (scaler.centre == 0).all()
    assert (scaler.spread == 1).all()
    assert scaler.centre.shape == (1, 12)


def test_targets_that_are_never_known_together_are_transformed() -> None:
    rows = RICH.rows.copy()
    rows[::2, 6], rows[1::2, 7] = 1, 1
    rows[1::2, 6], rows[::2, 7] = 0, 0
    found = replace(RICH, rows=rows)

    scaler = fit_scaler(found, FOLD, Scaling("standard", transform="box_cox"))

    assert scaler.powers is not None
    assert np.isfinite(scaler.powers.power).all()
    assert np.isfinite(scaler.centre).all()


def test_powers_are_kept_beside_the_panel(tmp_path: Path) -> None:
    RICH.save(tmp_path)
    found, how = Panel.load(tmp_path), Scaling("standard", transform="box_cox")

    first, again = (scaler_of(found, FOLD, how) for _ in range(2))

    assert first.powers is not None
    assert again.powers is not None
    np.testing.assert_array_equal(again.powers.unit, first.powers.unit)
    np.testing.assert_array_equal(again.centre, first.centre)
