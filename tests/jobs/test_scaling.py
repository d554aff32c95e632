"""What values are scaled by, against NumPy on the training rows."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from jobs import scaling
from jobs.dataspec import Split
from jobs.panel import Panel
from jobs.parts import split_panel
from jobs.scaling import fit_scaler, scaler_of
from tests.jobs.small import panel


def test_the_scaler_knows_the_training_part_alone() -> None:
    found = panel(30, 50, columns=3)
    split = Split(validation=0.3, test=7)
    parts = split_panel(found, split)
    known = np.concatenate([found.rows[: 30 - 9 - 7], found.rows[30 : 80 - 15 - 7]]).astype(np.float64)

    scaler = fit_scaler(found, parts)

    np.testing.assert_allclose(scaler.mean, known.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(scaler.deviation, known.std(axis=0), rtol=1e-12)


def test_one_long_series_is_scaled_in_pieces() -> None:
    found = panel(1_500_000, columns=2)
    parts = split_panel(found, Split())
    known = found.rows[:900_000].astype(np.float64)

    tracemalloc.start()
    try:
        scaler = fit_scaler(found, parts)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    np.testing.assert_allclose(scaler.mean, known.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(scaler.deviation, known.std(axis=0), rtol=1e-12)
    assert peak < found.rows.nbytes / 3


@pytest.mark.parametrize(("value", "length"), [(1e6, 30), (0.1, 400_000)])
def test_a_constant_column_is_only_shifted(value: float, length: int) -> None:
    """Also where 0.1 times a large number is not what adding it up gives."""
    found = panel(length)
    found.rows[:, 1] = value

    scaler = fit_scaler(found, split_panel(found, Split()))

    assert (scaler.mean[1], scaler.deviation[1]) == (np.float32(value), 1.0)


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
        patch.setattr(scaling, "BLOCK", block)
        scaler = fit_scaler(found, parts)

    if len(known):
        np.testing.assert_allclose(scaler.mean, known.mean(axis=0), rtol=1e-12)
        deviation = np.where(np.ptp(known, axis=0) > 0, known.std(axis=0), 1)
        np.testing.assert_allclose(scaler.deviation, deviation, rtol=1e-9)


def test_a_scaler_is_kept_beside_its_panel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    panel(30, 50).save(tmp_path)
    found = Panel.load(tmp_path)
    parts, others = split_panel(found, Split()), split_panel(found, Split(validation=9))
    first = scaler_of(found, parts)

    assert np.array_equal(first.mean, fit_scaler(found, parts).mean)
    assert not np.array_equal(scaler_of(found, others).mean, first.mean)
    monkeypatch.setattr(scaling, "fit_scaler", lambda *_: pytest.fail("it is known"))
    again = scaler_of(found, parts)
    assert np.array_equal(again.mean, first.mean)
    assert np.array_equal(again.deviation, first.deviation)
    assert len(list(tmp_path.glob("*scaler*"))) == 2
