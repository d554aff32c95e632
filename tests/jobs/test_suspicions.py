"""What looks wrong in a panel that can be read, each planted in one that looks right."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from jobs.dataspec import Split
from jobs.moments import moments
from jobs.panel import Panel
from jobs.parts import split_panel
from jobs.problems import Problem
from jobs.suspicions import profile_of, suspicions, unknown
from tests.jobs.small import panel

CLEAN = panel(500, 600, 700, columns=3)


def moments_of(found: Panel) -> Any:
    return moments(found, found.offsets[:-1], found.offsets[1:], hidden=unknown, extremes=True)


def problems(found: Panel) -> list[Problem]:
    return list(suspicions(found, split_panel(found, Split()), moments_of(found)))


def with_rows(change: Any) -> Panel:
    rows = CLEAN.rows.copy()
    change(rows)
    return replace(CLEAN, rows=rows)


def test_nothing_is_said_of_a_panel_that_looks_right() -> None:
    assert problems(CLEAN) == []
    assert problems(panel(300)) == []


def test_missing_values_alone_are_not_suspicious() -> None:
    def spoil(rows: Any) -> None:
        rows[np.random.default_rng(0).random(rows.shape) < 0.3] = np.nan
        rows[500:1100, 1] = np.nan  # a whole series

    assert problems(with_rows(spoil)) == []


def test_a_constant_series_is_named() -> None:
    def spoil(rows: Any) -> None:
        rows[500:1100, 2] = 7.5

    (found,) = problems(with_rows(spoil))

    assert (found.kind, found.column, found.series, found.count) == ("constant", "c2", "s1", 1)
    assert found.said == "column 'c2' is constant in 1 of 3 series, the first 's1'"


def test_a_nearly_constant_series_is_named() -> None:
    def spoil(rows: Any) -> None:
        rows[500:1100, 2] = np.float32(1e6)
        rows[600, 2] = np.nextafter(np.float32(1e6), np.float32(2e6))

    assert ("nearly constant", "c2", "s1") in [
        (p.kind, p.column, p.series) for p in problems(with_rows(spoil))
    ]


def test_series_of_very_different_scale_are_named() -> None:
    def spoil(rows: Any) -> None:
        rows[1100:, 0] *= 1e4

    kinds = {p.kind: p for p in problems(with_rows(spoil))}

    assert "s2" in kinds["scales"].said
    assert kinds["scales"].column == "c0"
    assert "window.scale_by: series" in kinds["scales"].said


@pytest.mark.parametrize("row", [501, 777, 1099])
def test_a_jump_is_told_with_its_place(row: int) -> None:
    def spoil(rows: Any) -> None:
        rows[row:1100, 1] += 4000

    found = with_rows(spoil)
    said = [p for p in problems(found) if p.kind == "jumps"]

    assert [(p.column, p.series, p.count) for p in said] == [("c1", "s1", 1)]
    before, after = found.rows[row - 1, 1], found.rows[row, 1]
    assert f"from {before:g} to {after:g} at " in said[0].said
    assert said[0].said.endswith(
        f"{str(np.datetime64(int(found.times[row]), 'ns'))[:19].replace('T', ' ')} in series 's1'"
    )


def test_a_jump_between_two_blocks_of_rows_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(rows: Any) -> None:
        rows[777:1100, 1] += 4000

    monkeypatch.setattr("jobs.moments.BLOCK", 777)

    assert [p.count for p in problems(with_rows(spoil)) if p.kind == "jumps"] == [1]


def test_a_series_that_begins_where_another_ended_does_not_jump() -> None:
    def spoil(rows: Any) -> None:
        rows[500:1100] += 900

    assert not [p for p in problems(with_rows(spoil)) if p.kind == "jumps"]


def test_parts_that_differ_are_told() -> None:
    found = panel(1000, columns=3)
    found.rows[600:800, 0] += 100
    found.rows[600:800, 2] = 20 + (found.rows[600:800, 2] - 20) * 30

    said = {p.column: p.said for p in problems(found) if p.kind == "shift"}

    assert set(said) == {"c0", "c2"}
    assert "above its training mean in validation; window.scale: instance may help" in said["c0"]
    assert "times as much in validation as in training" in said["c2"]


def test_gaps_are_counted() -> None:
    times = CLEAN.times.copy()
    times[50:500] += 3_600_000_000_000

    (found,) = problems(replace(CLEAN, times=times))

    assert (found.kind, found.count) == ("gaps", 1)


def test_a_profile_is_that_of_all_known_values() -> None:
    rows = CLEAN.rows.copy()
    rows[::3, 1] = np.nan
    found = replace(CLEAN, rows=rows)

    profile = profile_of(found, moments_of(found))

    values = rows[~np.isnan(rows[:, 1]), 1].astype(np.float64)
    got = [each[1] for each in (profile.count, profile.mean, profile.deviation, profile.least, profile.most)]
    np.testing.assert_allclose(
        got, [len(values), values.mean(), values.std(), values.min(), values.max()], rtol=1e-9
    )
