"""The paired block bootstrap: what holds of any errors, and how often equal models are told apart."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.comparison import DRAWS, Comparison, Windows, compare

FloatArray = npt.NDArray[np.float64]


def grid(steps: int, series: int, horizon: int = 4, season: int = 1, stride: int = 1) -> Windows:
    """A window at every step of every series."""
    return Windows(
        np.tile(np.arange(series), steps), np.repeat(np.arange(steps) * stride, series), horizon, season
    )


def judged(
    errors: FloatArray, windows: Windows, margin: float = 0.01, asked: float = 0.95, seed: int = 0
) -> Comparison:
    return compare(errors[0], errors[1], windows, margin=margin, asked=asked, seed=seed)


@st.composite
def contests(draw: st.DrawFn) -> tuple[FloatArray, Windows]:
    """Errors of two models, (2, windows), and their windows."""
    steps, series = draw(st.integers(1, 200)), draw(st.integers(1, 12))
    windows = grid(steps, series, draw(st.integers(1, 30)), draw(st.integers(1, 48)), draw(st.integers(1, 3)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    kept = rng.random(steps * series) < draw(st.sampled_from([0.3, 1.0]))
    kept[0] = True
    windows = replace(windows, series=windows.series[kept], origins=windows.origins[kept])
    return rng.gamma(draw(st.sampled_from([0.1, 2.0])), size=(2, int(kept.sum()))), windows


@given(contests())
@settings(max_examples=60, deadline=None)
def test_what_is_found_is_a_share_and_lies_in_its_interval(drawn: tuple[FloatArray, Windows]) -> None:
    errors, windows = drawn

    found = judged(errors, windows)

    assert found == judged(errors, windows)
    assert found.improvement == pytest.approx(1 - errors[0].mean() / errors[1].mean())
    assert (found.confidence is None) == (found.blocks < 5) == (found.interval is None)
    if found.confidence is not None and found.interval is not None:
        assert 0 <= found.confidence <= 1
        assert found.interval[0] <= found.interval[1]
        assert (found.confidence >= 0.95) == (found.interval[0] > 0.01) or found.confidence == 0.95


@given(contests(), st.floats(0.5, 0.99), st.integers(-20, 20))
@settings(max_examples=40, deadline=None)
def test_a_model_that_is_better_by_so_much_everywhere_is_so_in_every_draw(
    drawn: tuple[FloatArray, Windows], share: float, power: int
) -> None:
    errors, windows = drawn
    both = np.stack([share * errors[1], errors[1]]) * 10.0**power

    found = judged(both, windows, margin=(1 - share) / 2)

    assert found.improvement == pytest.approx(1 - share)
    if found.interval is not None:
        assert found.confidence == 1
        assert found.interval == pytest.approx((1 - share, 1 - share), abs=1e-9)
        assert judged(both, windows, margin=1.01 * (1 - share)).confidence == 0
        assert judged(both[::-1], windows).confidence == 0


@given(contests(), st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_neither_the_order_of_the_windows_nor_the_clock_s_zero_matters(
    drawn: tuple[FloatArray, Windows], seed: int
) -> None:
    errors, windows = drawn
    order = np.random.default_rng(seed).permutation(len(windows.series))
    moved = replace(windows, series=windows.series[order], origins=windows.origins[order] + 1000)

    found, other = judged(errors, windows), judged(errors[:, order], moved)

    assert found.blocks == other.blocks
    assert other.interval == (found.interval and pytest.approx(found.interval))


@pytest.mark.parametrize(
    ("steps", "series", "horizon", "blocks"),
    [(3, 1, 4, 1), (16, 1, 4, 4), (20, 1, 4, 5), (1, 4, 4, 4), (1, 30, 4, 30), (2000, 1, 4, 25)],
)
def test_too_few_blocks_say_nothing(steps: int, series: int, horizon: int, blocks: int) -> None:
    windows = grid(steps, series, horizon)
    errors = np.random.default_rng(0).gamma(2, size=(2, steps * series))
    errors[0] /= 10

    found = judged(errors, windows)

    assert found.blocks == blocks
    assert (found.confidence is None) == (blocks < 5)


def test_how_far_numbers_are_rounded_does_not_make_blocks() -> None:
    """One model is better by the same share everywhere: neither series nor times differ in that."""
    champion = np.random.default_rng(0).gamma(2, size=60)
    errors = np.stack([champion / 1.6, champion])
    windows = grid(30, 2, horizon=16)

    assert judged(errors, windows).blocks == judged(errors[::-1], windows).blocks == 2


def test_a_season_is_kept_together_where_there_is_room() -> None:
    errors = np.random.default_rng(0).gamma(2, size=(2, 600))

    assert judged(errors, grid(600, 1, 2, season=60)).blocks == 10
    assert judged(errors, grid(600, 1, 2, season=61)).blocks == 25


@pytest.mark.parametrize(("challenger", "improvement"), [(0.0, 0.0), (1.0, -1.0)])
def test_a_champion_without_any_error_stays(challenger: float, improvement: float) -> None:
    found = judged(np.stack([np.full(100, challenger), np.zeros(100)]), grid(100, 1))

    assert (found.improvement, found.confidence) == (improvement, 0.0)


def test_series_share_what_goes_wrong_at_the_same_time() -> None:
    """A hundred series with the same luck are one; drawn by themselves they would look like a hundred."""
    rng = np.random.default_rng(5)
    luck = rng.gamma(2, size=(2, 300))
    together = np.repeat(luck, 100, axis=1)

    found, alone = judged(together, grid(300, 100)), judged(luck, grid(300, 1))

    assert found.interval == pytest.approx(alone.interval)


def _wave(rng: np.random.Generator, steps: int, series: int) -> FloatArray:
    """Autocorrelated errors of overlapping windows, (steps, series): means of an AR(1) over six steps."""
    found = rng.normal(size=(steps + 5, series))
    for step in range(1, len(found)):
        found[step] += 0.7 * found[step - 1]
    return np.lib.stride_tricks.sliding_window_view(found, 6, axis=0).mean(axis=-1)


@pytest.mark.parametrize(
    ("steps", "series", "most"), [(400, 1, 0.08), (400, 8, 0.08), (36, 1, 0.1), (14, 60, 0.1)]
)
def test_equal_models_are_seldom_told_apart(steps: int, series: int, most: float) -> None:
    """Without any margin, at a confidence of 95 %; 400 nights, so that 0.05 is found as 0.03 to 0.07."""
    windows, promoted = grid(steps, series, horizon=6, season=1), 0
    for night in range(400):
        rng = np.random.default_rng(night)
        common = _wave(rng, steps, series)
        errors = np.stack([np.exp((common + _wave(rng, steps, series) / 2) / 3).ravel() for _ in range(2)])
        found = judged(errors, windows, margin=0.0, seed=night)
        promoted += found.confidence is not None and found.confidence >= 0.95

    assert promoted / 400 <= most


def test_a_better_model_is_found() -> None:
    windows, promoted = grid(400, 8, horizon=6), 0
    for night in range(50):
        rng = np.random.default_rng(night)
        common = _wave(rng, 400, 8)
        errors = np.stack([np.exp((common + _wave(rng, 400, 8) / 4) / 3).ravel() for _ in range(2)])
        found = judged(errors * [[0.92], [1.0]], windows, seed=night)
        promoted += found.confidence is not None and found.confidence >= 0.95

    assert promoted >= 45


@pytest.mark.parametrize(("steps", "series"), [(100_000, 1), (1_000, 100), (1, 100_000), (20, 5_000)])
def test_many_windows_take_no_time(steps: int, series: int) -> None:
    windows = grid(steps, series, horizon=24, season=24)
    errors = np.random.default_rng(0).gamma(2, size=(2, steps * series))
    begun = time.process_time()

    found = judged(errors, windows)

    assert found.draws == DRAWS == 2000
    assert time.process_time() - begun < 1
