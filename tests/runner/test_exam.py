"""The exam: asked for once, when training is over."""

from __future__ import annotations

from typing import Any

import pytest

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
    assert exam.error is None


def test_without_anything_to_score_it_is_over_at_once() -> None:
    exam = asked(order=None)

    assert exam.over
    assert exam.take() is None
    assert exam.scores() is None
    assert not exam.interrupted


@pytest.mark.parametrize("answer", [{"say": "failed"}, {"say": "died", "exhausted": True}])
def test_a_failure_is_told_and_not_tried_again(answer: dict[str, Any]) -> None:
    exam = asked()
    exam.take()

    assert not exam.hear(answer | {"error": "no memory"})

    assert exam.over
    assert exam.take() is None
    assert (exam.scores(), exam.error) == (None, "no memory")


def test_one_that_loses_its_worker_is_tried_again_but_not_for_ever() -> None:
    exam = asked()

    for _ in range(3):
        assert not exam.over
        assert exam.take() == ORDER
        assert not exam.hear({"say": "died", "error": "hung for 600 s"})

    assert exam.over
    assert exam.take() is None
    assert (exam.scores(), exam.error) == (None, "hung for 600 s")


def test_given_up_it_waits_for_nothing() -> None:
    exam = asked()
    exam.take()

    exam.give_up()

    assert exam.over
    assert exam.interrupted
    assert exam.scores() is None
