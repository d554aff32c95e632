"""Learning rates over a trial."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, seed
from hypothesis import strategies as st

from jobs.schedules import constant, cosine, plateaus

COUNTS = st.integers(1, 50)
SCORES = st.lists(st.one_of(st.none(), st.integers(0, 6).map(float)), max_size=25)


def test_a_constant_rate_stays() -> None:
    np.testing.assert_array_equal(constant(0.3, 4), [0.3] * 4)


def test_a_cosine_goes_from_the_rate_to_zero() -> None:
    found = cosine(0.2, 0, 9, 8)

    assert found[0] == 0.2
    assert found[2] == pytest.approx(0.1 + 0.1 * math.sqrt(0.5))
    assert found[4] == pytest.approx(0.1)
    assert found[8] == pytest.approx(0.0, abs=1e-15)


def test_a_cosine_stays_at_zero_after_its_last_step() -> None:
    np.testing.assert_allclose(cosine(0.2, 7, 4, 8)[1:], 0, atol=1e-15)


@seed(1)
@given(parts=st.lists(COUNTS, min_size=1, max_size=5), rate=st.floats(1e-6, 10))
def test_a_cosine_in_pieces_is_the_whole(parts: list[int], rate: float) -> None:
    total = sum(parts)
    begins = np.cumsum([0, *parts[:-1]])

    pieces = [cosine(rate, int(first), count, total) for first, count in zip(begins, parts, strict=True)]

    whole = cosine(rate, 0, total, total)
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    assert (np.diff(whole) < 0).all()
    assert ((whole > 0) & (whole <= rate)).all()


@pytest.mark.parametrize(
    ("scores", "found"),
    [
        ([], 0),
        ([5.0], 0),
        ([5.0, 4.0, 3.0, 2.0, 1.0], 0),
        ([5.0, 5.0, 5.0], 0),
        ([5.0, 5.0, 5.0, 5.0], 1),  # the first one is a best, then three without
        ([5.0, 6.0, 6.0, 4.0, 5.0, 5.0], 0),
        ([5.0, 6.0, 6.0, 6.0, 5.5, 5.5, 5.5], 2),  # what was best before a plateau stays to be beaten
        ([5.0, 6.0, 6.0, 6.0, 4.0, 4.0, 4.0, 4.0], 2),
        ([5.0, None, None, None], 1),
        ([None, None, None, 1.0], 1),
    ],
)
def test_three_epochs_without_a_new_best_are_a_plateau(scores: list[float | None], found: int) -> None:
    assert plateaus(scores) == found


@seed(2)
@given(scores=SCORES, patience=st.integers(1, 5))
def test_plateaus_are_counted_as_epoch_follows_epoch(scores: list[float | None], patience: int) -> None:
    counts = [plateaus(scores[:end], patience) for end in range(len(scores) + 1)]

    assert counts[0] == 0
    steps = np.diff(counts)
    assert set(steps.tolist()) <= {0, 1}
    assert counts[-1] <= len(scores) // patience
    for epoch, (score, step) in enumerate(zip(scores, steps, strict=True)):
        before = [each for each in scores[:epoch] if each is not None]
        if score is not None and score < min(before, default=math.inf):
            assert step == 0


@seed(3)
@given(score=st.floats(0, 10), epochs=COUNTS, patience=st.integers(1, 5))
def test_a_score_that_never_moves_is_one_plateau_after_another(
    score: float, epochs: int, patience: int
) -> None:
    assert plateaus([score] * epochs, patience) == (epochs - 1) // patience
