"""The exam: asked for once, when training is over."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.errors import ClusterError
from runner.exam import Exam

ORDER = {"do": "score"}


def asked(calls: list[int] | None = None, order: dict[str, Any] | None = ORDER) -> Exam:
    def make() -> dict[str, Any] | None:
        (calls if calls is not None else []).append(1)
        return order

    return Exam(make)


def test_the_order_is_made_once_and_handed_out_once() -> None:
    calls: list[int] = []
    exam = asked(calls)

    assert calls == []  # not before training is over
    assert not exam.over
    assert (exam.take(), exam.take()) == (ORDER, None)
    assert not exam.over
    assert calls == [1]


def test_the_answer_ends_it() -> None:
    exam = asked()
    exam.take()

    assert exam.hear({"say": "heartbeat"})
    assert not exam.hear({"say": "scored", "scores": {"model": {"mse": 1.0}}})

    assert exam.over
    assert exam.scores() == {"model": {"mse": 1.0}}


def test_without_anything_to_score_it_is_over_at_once() -> None:
    exam = asked(order=None)

    assert exam.over
    assert exam.take() is None
    assert exam.scores() is None
    assert not exam.interrupted


@pytest.mark.parametrize("said", ["failed", "died"])
def test_a_failure_is_told(said: str) -> None:
    exam = asked()
    exam.take()
    exam.hear({"say": said, "error": "no memory"})

    with pytest.raises(ClusterError) as error:
        exam.scores()

    assert str(error.value) == "the test part could not be scored: no memory"


def test_given_up_it_waits_for_nothing() -> None:
    exam = asked()
    exam.take()

    exam.give_up()

    assert exam.over
    assert exam.interrupted
    assert exam.scores() is None
