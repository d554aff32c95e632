"""The seasonal naive forecast and its error against small numbers and slow loops."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from jobs import npyfile
from jobs.baselines import naive_error, seasonal_naive
from jobs.dataspec import Split
from jobs.panel import Panel
from jobs.parts import split_panel
from tests.jobs.small import panel


def counted(*lengths: int) -> Panel:
    """Every row holds its own number, and ten times that."""
    rows = np.arange(sum(lengths), dtype=np.float32)[:, None] * np.array([1, 10], np.float32)
    return replace(panel(*lengths), rows=rows, targets=1)


@pytest.mark.parametrize(
    ("origin", "season", "rows"),
    [
        (12, 3, [9, 10, 11, 9, 10]),  # the season before, again and again
        (12, 7, [5, 6, 7, 8, 9]),  # a season longer than the horizon
        (12, 1, [11, 11, 11, 11, 11]),
        (12, 12, [0, 1, 2, 3, 4]),
        (12, 14, [11, 11, 0, 1, 2]),  # two steps lie before the series: its last value instead
        (12, 99, [11, 11, 11, 11, 11]),
        (1, 2, [0, 0, 0, 0, 0]),
    ],
)
def test_each_step_is_the_value_a_season_before(origin: int, season: int, rows: list[int]) -> None:
    found = seasonal_naive(counted(30), np.array([origin]), horizon=5, season=season)

    assert found.tolist() == [[[float(row)] for row in rows]]


def test_no_series_borrows_from_another() -> None:
    found = seasonal_naive(counted(10, 20), np.array([8, 12, 25]), horizon=2, season=5)

    assert found[:, :, 0].tolist() == [[3, 4], [11, 11], [20, 21]]


def slow(found: Panel, stop: list[int], season: int) -> Any:
    errors = np.zeros((len(found.series), found.targets))
    for index, end in enumerate(stop):
        begin = int(found.offsets[index])
        lag = season if end - begin > season else 1
        for target in range(found.targets):
            missed = [
                abs(float(found.rows[row, target]) - float(found.rows[row - lag, target]))
                for row in range(begin + lag, end)
            ]
            errors[index, target] = sum(missed) / len(missed) if missed else 0.0
    return errors


@pytest.mark.parametrize("season", [1, 4, 24])
@pytest.mark.parametrize("block", [3, 10, 1000])
def test_the_naive_error_is_that_of_the_training_part(
    season: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(npyfile, "BLOCK", block)
    found = panel(50, 8, 100, 3, columns=3, targets=2)
    parts = split_panel(found, Split(validation=0.2, test=2))

    errors = naive_error(found, parts, season)

    np.testing.assert_allclose(errors, slow(found, parts.validation.tolist(), season), rtol=1e-9)
    assert errors.shape == (4, 2)
    assert errors[3].tolist() == [0, 0]  # one training row: nothing to compare


def test_the_naive_error_by_hand() -> None:
    found = counted(10)

    errors = naive_error(found, split_panel(found, Split(validation=2, test=2)), season=3)

    assert errors.tolist() == [[3.0]]
