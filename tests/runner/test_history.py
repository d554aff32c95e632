"""A history that was packed is what it was, whether or not somebody has looked into it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.history import History

POINTS = st.lists(
    st.tuples(
        st.integers(1, 200),
        st.none() | st.floats(allow_nan=False, allow_infinity=False),
        st.floats(0, 1e6),
    )
)


def history_of(points: list[tuple[int, float | None, float]]) -> History:
    history = History()
    for point in points:
        history.append(*point)
    return history


@given(POINTS, POINTS, st.sampled_from(["looked into", "not"]))
def test_a_packed_history_goes_on_as_any_other(
    points: list[tuple[int, float | None, float]], more: list[tuple[int, float | None, float]], state: str
) -> None:
    epochs, scores, seconds = json.loads(json.dumps(history_of(points).packed()))
    history = History((epochs, scores, seconds))
    if state == "looked into":
        assert len(history) == len(points)
    assert history == history_of(points)

    for point in more:
        history.append(*point)

    assert history == history_of(points + more)
    assert list(history) == [(epoch, score) for epoch, score, _ in points + more]
    assert history.seconds == [seconds for *_, seconds in points + more]
    assert history.last == ((points + more)[-1][1] if points + more else None)


@pytest.mark.parametrize("other", [[(1, 0.5, 2.0)], [(1, None, 1.0)], [(2, 0.5, 1.0)], []])
def test_histories_differ_in_any_part(other: list[tuple[int, float | None, float]]) -> None:
    assert history_of([(1, 0.5, 1.0)]) != history_of(other)
    assert history_of([(1, 0.5, 1.0)]) != [(1, 0.5)]
