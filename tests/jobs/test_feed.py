"""Batches against slow slicing, and the order of their windows."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from jobs import feed as feeding
from jobs.cut import Cutter
from jobs.feed import LARGEST_EVALUATED, MOST_BATCHES, Feed, Passes, batches_of, drawn, even_batch
from jobs.pages import Pages
from jobs.panel import Panel
from jobs.params import WindowParams
from jobs.scaling import Scaler
from jobs.windows import Starts
from tests.jobs.small import unscaled


@dataclass(frozen=True)
class Case:
    feed: Feed
    starts: np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def case() -> Case:
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(60, 3)).astype(np.float32)
    return Case(feed_of(rows, 4, 2, targets=2), np.array([0, 1, 5, 6, 7, 20, 33, 34, 50, 53, 54]))


def feed_of(rows: Any, lookback: int, horizon: int, *, targets: int = 1) -> Feed:
    names = tuple(f"c{column}" for column in range(rows.shape[1]))
    ends = np.array([0, len(rows)])
    found = Panel(names, targets, rows, np.arange(len(rows)), ends, (None,), "int64")
    return Feed(Cutter(found, WindowParams(lookback, horizon, 1, 1, "none")), unscaled(found))


def windows(batches: dict[str, Any], name: str) -> Any:
    """The real windows of all batches, one after another."""
    return np.concatenate(
        [batch[:valid] for batch, valid in zip(batches[name], batches["valid"], strict=True)]
    )


@pytest.mark.parametrize(("batch", "capacity"), [(4, 3), (4, 5), (1, 11), (11, 1), (16, 2)])
def test_gathered_windows_are_what_slicing_gives(case: Case, batch: int, capacity: int) -> None:
    batches = case.feed.gather(case.starts, batch=batch, capacity=capacity)

    rows = case.feed.cutter.panel.rows
    x = np.array([rows[start : start + 4] for start in case.starts])
    y = np.array([rows[start + 4 : start + 6, :2] for start in case.starts])
    np.testing.assert_array_equal(windows(batches, "x"), x)
    np.testing.assert_array_equal(windows(batches, "y"), y)
    assert batches["x"].shape == (capacity, batch, 4, 3)
    assert batches["y"].shape == (capacity, batch, 2, 2)
    assert [batches[name].dtype for name in ("x", "y", "valid")] == [np.float32, np.float32, np.int32]


def test_windows_are_scaled_and_what_fills_a_batch_up_is_zero(case: Case) -> None:
    """However far from the data zero is."""
    scaler = Scaler(np.array([[20.0, -3.0, 1e24]]), np.array([[4.0, 0.5, 1.0]]))
    plain = case.feed.gather(case.starts, batch=4, capacity=3)

    found = replace(case.feed, scaler=scaler).gather(case.starts, batch=4, capacity=3)

    for name in ("x", "y"):
        columns = slice(windows(plain, name).shape[2])
        wanted = (windows(plain, name) - scaler.centre[:, columns]) / scaler.spread[:, columns]
        np.testing.assert_allclose(windows(found, name), wanted, rtol=1e-5)
        assert not found[name][2, 3].any()


@pytest.mark.parametrize("at_once", [1, 4, 11, 99])
def test_a_limit_to_what_is_kept_changes_nothing(
    case: Case, tmp_path: Path, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeding, "_BETWEEN_LOOKS", at_once)
    np.save(tmp_path / "rows.npy", case.feed.cutter.panel.rows)
    rows = np.load(tmp_path / "rows.npy", mmap_mode="r")
    mapped = replace(case.feed.cutter.panel, rows=rows, pages=Pages(rows, 1))
    limited = replace(case.feed, cutter=replace(case.feed.cutter, panel=mapped))

    found = limited.gather(case.starts, batch=4, capacity=3)

    wanted = case.feed.gather(case.starts, batch=4, capacity=3)
    assert {name: found[name].tolist() for name in wanted} == {name: wanted[name].tolist() for name in wanted}


@pytest.mark.parametrize(
    ("count", "valid"), [(11, [4, 4, 3]), (8, [4, 4, 0]), (1, [1, 0, 0]), (0, [0, 0, 0]), (9, [4, 4, 1])]
)
def test_each_batch_tells_how_many_of_its_windows_are_real(case: Case, count: int, valid: list[int]) -> None:
    batches = case.feed.gather(case.starts[:count], batch=4, capacity=3)

    assert batches["valid"].tolist() == valid
    assert np.isfinite(batches["x"]).all()
    assert np.isfinite(batches["y"]).all()


def test_what_is_gathered_is_nobody_elses(case: Case) -> None:
    before = case.feed.cutter.panel.rows.copy()

    case.feed.gather(case.starts, batch=4, capacity=3)["x"][:] = 0

    np.testing.assert_array_equal(case.feed.cutter.panel.rows, before)


def numbered(count: int, stride: int = 10) -> Starts:
    """That many windows of one series."""
    return Starts(np.array([7]), np.array([0, count]), stride)


@pytest.fixture(params=[(1 << 10, 1 << 20), (4, 12), (1, 1), (5, 5)])
def pools(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All windows in one pool, and pools of several blocks and of one."""
    for name, size in zip(("BLOCK", "POOL"), request.param, strict=True):
        monkeypatch.setattr(feeding, name, size)


@pytest.mark.usefixtures("pools")
@pytest.mark.parametrize("count", [1, 11, 12, 37, 48])
def test_each_pass_is_a_permutation_of_all_windows(count: int) -> None:
    starts = numbered(count)
    found = [Passes(starts, 1).between(n * count, (n + 1) * count).tolist() for n in range(4)]

    assert [sorted(one) for one in found] == [starts[:].tolist()] * 4
    if count > 11:
        assert len({tuple(one) for one in found}) == 4
        assert starts[:].tolist() not in found


@pytest.mark.usefixtures("pools")
def test_the_order_depends_on_seed_and_pass_alone() -> None:
    def found(seed: int, number: int) -> list[int]:
        return Passes(numbered(37), seed).between(number * 37, (number + 1) * 37).tolist()

    assert found(1, 2) == found(1, 2)
    assert found(2, 1) != found(1, 2)
    assert found(2, 2) != found(1, 2)


@pytest.mark.usefixtures("pools")
@seed(4)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(1, 40), cuts=st.lists(st.integers(1, 30), min_size=1, max_size=6))
def test_epochs_of_any_length_add_up_to_whole_passes(size: int, cuts: list[int]) -> None:
    first, found = 0, list[int]()
    endless = Passes(numbered(size), 3)
    for count in cuts:
        order = endless.order(first, count)
        assert len(order) == count
        found += [start for begin in range(0, count, 7) for start in order[begin : begin + 7].tolist()]
        first += count

    assert found == Passes(numbered(size), 3).between(0, first).tolist()


def test_neighbours_are_drawn_into_a_pool_together_and_far_ones_too() -> None:
    """So that what is in use of the panel at a time is bounded, and a pool is like the whole."""
    count = 40 * feeding.POOL // 10
    found = Passes(numbered(count, 1), 3).between(0, feeding.POOL) - 7

    blocks = np.unique(found // feeding.BLOCK)
    assert len(blocks) == feeding.POOL // feeding.BLOCK
    assert len(np.unique(found)) == feeding.POOL
    assert abs(found.mean() / count - 0.5) < 0.03
    assert np.corrcoef(found[1:], found[:-1])[0, 1] < 0.01


def test_what_is_shuffled_takes_a_pools_memory() -> None:
    endless = Passes(numbered(10**9, 1), 3)

    tracemalloc.start()
    try:
        order = endless.order(5 * 10**8, 10**8)
        assert len(order[10**7 : 10**7 + 64]) == 64
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 100e6


@seed(5)
@given(windows=st.integers(0, 100_000))
def test_evaluated_windows_fill_their_batches_evenly(windows: int) -> None:
    batch = even_batch(windows)

    assert 1 <= batch <= LARGEST_EVALUATED
    assert batches_of(windows, batch) == batches_of(windows, LARGEST_EVALUATED)
    assert batch * batches_of(windows, batch) - windows < max(1, batches_of(windows, batch))


def test_what_is_drawn_is_everybodys_and_keeps_its_order() -> None:
    starts = numbered(10_000, 1)

    found = drawn(starts, 1_000)[:]

    assert drawn(starts, 1_000)[:].tolist() == found.tolist() == sorted(set(found.tolist()))
    assert len(found) == 1_000
    hours = np.bincount(found % 24, minlength=24)
    assert hours.min() > 20  # every hour of the day is there, about 42 times
    assert drawn(starts, 10_000) is starts


@pytest.mark.parametrize(
    ("count", "batch_size", "batches"), [(0, 4, 0), (1, 4, 1), (4, 4, 1), (5, 4, 2), (8, 4, 2), (9, 1, 9)]
)
def test_an_epoch_has_a_batch_for_every_window(count: int, batch_size: int, batches: int) -> None:
    assert batches_of(count, batch_size) == batches


# How many batches go into one call


def rows_of(columns: int, lookback: int) -> Feed:
    return feed_of(np.zeros((1, columns), np.float32), lookback, 1)


def test_a_call_takes_many_small_batches_and_few_large_ones() -> None:
    assert rows_of(2, 8).capacity(16) == MOST_BATCHES
    assert rows_of(128, 128).capacity(16) == 4  # of 1 MiB each, 4 MiB in all
    assert rows_of(1000, 1000).capacity(LARGEST_EVALUATED) == 1  # a batch is taken however large it is


@seed(3)
@given(columns=st.integers(1, 2000), lookback=st.integers(1, 2000), batch=st.integers(1, 2000))
def test_a_calls_inputs_are_bounded(columns: int, lookback: int, batch: int) -> None:
    capacity = rows_of(columns, lookback).capacity(batch)

    size = 4 * columns * lookback * batch
    assert 1 <= capacity <= MOST_BATCHES
    assert capacity == 1 or capacity * size <= 4 * 2**20
    assert capacity == MOST_BATCHES or (capacity + 1) * size > 4 * 2**20


def test_fewer_batches_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "MOST_BATCHES", 1)

    assert rows_of(2, 8).capacity(16) == 1
