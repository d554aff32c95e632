"""Batches against slow slicing, and the order of their windows."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from jobs.feed import EVALUATION_BATCH, Feed, evaluation_batches, steps, training_batches

MEAN, DEVIATION = np.array([10.0, -3.0], np.float32), np.array([4.0, 0.5], np.float32)


@dataclass(frozen=True)
class Case:
    feed: Feed
    starts: np.ndarray[Any, Any]


@pytest.fixture
def case() -> Case:
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(60, 3)).astype(np.float32)
    rows[:, 2] = np.arange(60)  # a window is known by its first input
    feed = Feed(rows, lookback=4, horizon=2, targets=2, target_mean=MEAN, target_deviation=DEVIATION)
    return Case(feed, np.array([0, 1, 5, 6, 7, 20, 33, 34, 50, 53, 54]))


def slow(case: Case, start: int) -> tuple[Any, Any]:
    """One window: its inputs as they are, its targets scaled."""
    rows = case.feed.rows
    return rows[start : start + 4], (rows[start + 4 : start + 6, :2] - MEAN) / DEVIATION


def drawn(batches: Any, count: int) -> list[tuple[Any, Any]]:
    return [(np.asarray(x), np.asarray(y)) for x, y in itertools.islice(iter(batches), count)]


def order(batches: list[tuple[Any, Any]]) -> list[int]:
    """The windows of some batches in turn."""
    return [int(first) for inputs, _ in batches for first in inputs[:, 0, 2]]


def epochs(case: Case, count: int, *, seed: int = 1, first_epoch: int = 0) -> list[list[int]]:
    stream = training_batches(case.feed, case.starts, batch_size=4, seed=seed, first_epoch=first_epoch)
    batches = drawn(stream, 3 * count)
    return [order(batches[3 * epoch : 3 * epoch + 3]) for epoch in range(count)]


def test_gathered_windows_are_what_slicing_gives(case: Case) -> None:
    inputs, targets = case.feed.gather(case.starts)

    for index, start in enumerate(case.starts):
        x, y = slow(case, start)
        np.testing.assert_array_equal(inputs[index], x)
        np.testing.assert_array_equal(targets[index], y)
    assert (inputs.dtype, targets.dtype) == (np.float32, np.float32)


def test_batches_go_through_tensorflows_pipeline_unchanged(case: Case) -> None:
    stream = training_batches(case.feed, case.starts, batch_size=4, seed=1, first_epoch=0)
    batches = drawn(stream, 3)

    assert keras.backend.backend() == "tensorflow"
    assert isinstance(stream, tf.data.Dataset)
    assert stream.cardinality() == tf.data.INFINITE_CARDINALITY
    assert [len(x) for x, _ in batches] == [4, 4, 3]
    for inputs, targets in batches:
        for x, y in zip(inputs, targets, strict=True):
            wanted = slow(case, int(x[0, 2]))
            np.testing.assert_array_equal(x, wanted[0])
            np.testing.assert_array_equal(y, wanted[1])


def test_each_epoch_is_a_permutation_of_all_windows(case: Case) -> None:
    found = epochs(case, 4)

    assert [sorted(one) for one in found] == [case.starts.tolist()] * 4
    assert len({tuple(one) for one in found}) == 4


def test_the_order_depends_on_seed_and_epoch_alone(case: Case) -> None:
    found = epochs(case, 4)

    assert epochs(case, 4) == found
    assert epochs(case, 2, first_epoch=2) == found[2:]
    assert epochs(case, 4, seed=2) != found


def test_evaluation_takes_every_window_once_in_order(case: Case) -> None:
    stream = evaluation_batches(case.feed, case.starts)

    assert order(drawn(stream, 99)) == case.starts.tolist()
    assert order(drawn(stream, 99)) == case.starts.tolist()  # and again for the next epoch
    assert stream.cardinality() == 1


def test_evaluation_of_many_windows_takes_large_batches(case: Case) -> None:
    starts = np.arange(2 * EVALUATION_BATCH + 1) % 50

    stream = evaluation_batches(case.feed, starts)

    assert [len(x) for x, _ in drawn(stream, 9)] == [EVALUATION_BATCH, EVALUATION_BATCH, 1]
    assert stream.cardinality() == 3


@pytest.mark.parametrize(
    ("windows", "batch_size", "batches"), [(1, 4, 1), (4, 4, 1), (5, 4, 2), (8, 4, 2), (9, 1, 9)]
)
def test_an_epoch_has_a_batch_for_every_window(windows: int, batch_size: int, batches: int) -> None:
    assert steps(windows, batch_size) == batches
