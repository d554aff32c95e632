"""What a column was like and is now: equal data say nothing, what goes wrong is named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs import profile
from jobs.dataspec import Split
from jobs.errors import JobError
from jobs.panel import Panel
from jobs.parts import split_panel
from jobs.profile import Profile, drifts, newest_of, profile_of
from jobs.schedulespec import Drift

LIMITS = Drift()
HOURS = 4000


def panel(values: Any, **more: Any) -> Panel:
    """Two equally long series of (steps, columns)."""
    rows = np.asarray(values, np.float32)
    half = len(rows) // 2
    names = tuple("abcdefgh"[: rows.shape[1]])
    times = np.tile(np.arange(half) * 3_600_000_000_000, 2)
    offsets = np.array([0, half, 2 * half])
    return Panel(names, 1, rows[: 2 * half], times, offsets, ("s", "t"), "timestamp[ns]", **more)


def noise(columns: int = 2, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(5, 2, (HOURS, columns))


def told(before: Any, now: Any, limits: Drift = LIMITS, **more: Any) -> list[str]:
    """Of all rows, which are a training part, beside others."""
    return drifts(whole(panel(before, **more)), whole(panel(now, **more)), limits)


def whole(found: Panel) -> Profile:
    parts = split_panel(found, Split())
    return profile_of(found, replace(parts, train_end=parts.end))


def test_the_parts_that_are_looked_at() -> None:
    rows = np.arange(HOURS, dtype=np.float64)[:, None] % (HOURS // 2)
    found = panel(rows)
    with_test, without = split_panel(found, Split()), split_panel(found, Split(test=0))

    def extremes(profile: Profile) -> list[float]:
        return [round(profile.columns["a"].percentiles[i] / 20) for i in (0, -1)]

    assert extremes(profile_of(found, with_test)) == [1, 59]
    assert extremes(newest_of(found, with_test)) == [80, 100]
    assert extremes(newest_of(found, without)) == [80, 100]


def test_what_it_says_of_a_column() -> None:
    values = noise(1)
    column = whole(panel(values)).columns["a"]

    assert column.known == HOURS
    assert column.missing == 0
    assert column.mean == pytest.approx(values.mean(), rel=1e-6)
    assert column.deviation == pytest.approx(values.std(), rel=1e-6)
    assert column.percentiles == pytest.approx(np.percentile(values, np.arange(1, 100)), rel=1e-5)


def test_features_of_the_calendar_and_masks_are_no_columns() -> None:
    rows = np.concatenate([noise(3), np.zeros((HOURS, 1))], axis=1)
    rows[: HOURS // 4, 3] = 1
    found = whole(panel(rows, known=2, calendar=1, masks=1))

    assert list(found.columns) == ["a", "b"]
    assert found.columns["a"].missing == 0.25
    assert found.columns["a"].known == HOURS * 3 // 4
    assert found.columns["b"].missing == 0


@settings(deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.floats(-1e6, 1e6),
    st.sampled_from([0.0, 1e-9, 1.0, 1e6]),
    st.floats(0, 1),
    st.sampled_from([1e-9, 1.0]),
)
def test_equal_data_say_nothing(seed: int, level: float, size: float, missing: float, limit: float) -> None:
    rng = np.random.default_rng(seed)
    values = level + size * rng.standard_t(2, (400, 2))
    values[rng.random(400) < missing] = np.nan
    found = whole(panel(values))
    tight = Drift(scale=1 + limit, missing=limit, shift=limit)

    again = Profile.from_json(json.loads(json.dumps(found.to_json())))

    assert again == found
    assert drifts(found, again, tight) == []


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(30, HOURS))
def test_mere_noise_says_nothing(seed: int, count: int) -> None:
    limits = Drift(scale=3, missing=0.1, shift=0.1)
    assert told(noise(seed=seed), noise(seed=seed + 5000)[:count], limits) == []


def test_another_unit() -> None:
    now = noise(seed=1)
    now[:, 1] *= 1000
    scale, shift = told(noise(), now)
    assert scale == "column 'b' has a standard deviation of 1991, and 1.992 in training, 1e+03 times as much"
    assert shift == (
        "column 'b' has a median of 4976, and 4.967 in training; the distributions are 1.00 apart "
        "(Kolmogorov-Smirnov)"
    )


def test_missing_values() -> None:
    now = noise(seed=1)
    now[np.random.default_rng(0).random(HOURS) < 0.3, 0] = np.nan
    assert told(noise(), now) == ["column 'a' lacks 30% of its values, and 0% in training"]
    assert told(now, noise()) == []
    now[:, 0] = np.nan
    assert told(noise(), now) == ["column 'a' lacks 100% of its values, and 0% in training"]


def test_another_level() -> None:
    now = noise(seed=1)
    now[:, 0] -= 12
    (said,) = told(noise(), now)
    assert said.startswith("column 'a' has a median of -7.0")


def test_a_level_that_training_had_seen_is_none() -> None:
    before = noise()
    before[: HOURS // 4, 0] -= 12
    now = noise(seed=1)
    now[:, 0] -= 12
    assert told(before, now) == []


def test_a_sensor_that_is_stuck() -> None:
    now = noise(seed=1)
    now[:, 0] = 5.2
    assert told(noise(), now) == [
        "column 'a' is always 5.2, and had a standard deviation of 2.019 in training"
    ]


def test_a_flag_that_is_not_raised_lately() -> None:
    before, now = noise(), noise(seed=1)
    before[:, 0] = np.random.default_rng(0).random(HOURS) < 0.05
    now[:, 0] = 0
    assert told(before, now) == []


def test_a_column_that_was_constant() -> None:
    before, now = noise(), noise(seed=1)
    before[:, 0] = now[:, 0] = 5
    assert told(before, now) == []
    now[:, 0] = 5 + 1e-6
    assert told(before, now) == []
    now[:, 0] = 7
    assert len(told(before, now)) == 1
    now[: HOURS // 2, 0] = 5
    assert told(before, now) == ["column 'a' has a standard deviation of 1, and was always 5 in training"]


def test_columns_that_come_and_go() -> None:
    trained, newest = whole(panel(noise(2))), whole(panel(noise(3)))
    assert drifts(trained, newest, LIMITS) == ["column 'c' is new, and was not there in training"]
    assert drifts(newest, trained, LIMITS) == ["column 'c' is gone, and was there in training"]


def test_of_a_few_values_only_that_they_are_missing_is_said() -> None:
    assert told(noise(), noise(seed=1)[:20] * 1e6) == []


def test_nothing_at_all() -> None:
    nothing = panel(np.empty((0, 2)))
    assert drifts(whole(nothing), newest_of(nothing, split_panel(nothing, Split())), LIMITS) == []


def test_a_large_panel_is_sampled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As evenly as its series are long, the same rows each time, and those of a mapped one alike."""
    found = panel(noise(3))
    exact = whole(found)
    monkeypatch.setattr(profile, "_VALUES", 3 * 900)
    found.save(tmp_path)

    sampled = whole(found)

    assert sampled == whole(found) == whole(Panel.load(tmp_path))
    assert sampled.columns["a"].known == 900
    assert sampled.columns["a"].mean == pytest.approx(exact.columns["a"].mean, abs=0.2)
    assert drifts(exact, sampled, Drift(scale=1.1, shift=0.01)) == []


@pytest.mark.parametrize(
    "raw",
    [
        None,
        [],
        {"a": 3},
        {"a": {}},
        {"a": {"known": 9, "missing": 0, "mean": 0, "deviation": 0, "percentiles": [1]}},
        {"a": {"known": 9, "missing": 0, "mean": 0, "deviation": 0, "percentiles": [*range(98), 0]}},
        {"a": {"known": 0, "missing": 0, "mean": float("nan"), "deviation": 0, "percentiles": []}},
    ],
)
def test_what_is_no_profile(raw: Any) -> None:
    with pytest.raises(JobError, match="the profile of the data is not as Recur writes it"):
        Profile.from_json(raw)
