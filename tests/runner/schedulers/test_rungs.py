"""Arrivals at a rung, against sorting everyone anew after each."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from runner.schedulers.rungs import Decision, Round, Rung

SCORES = st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4, math.inf, math.nan]), max_size=30)  # ties are common


@given(SCORES)
def test_better_counts_those_that_are_strictly_better(scores: list[float]) -> None:
    rung = Rung()
    for number, score in enumerate(scores):
        assert rung.enter(number, score)
        for at in (0.0, 0.2, 0.25, math.inf):
            assert rung.better(at) == sum(other < at for other in scores[: number + 1])
    assert len(rung) == len(scores)


def test_a_trial_is_counted_once() -> None:
    rung = Rung()

    assert [rung.enter(4, 0.5), rung.enter(4, 0.1)] == [True, False]

    assert (len(rung), rung.better(0.5)) == (1, 0)


@given(SCORES, st.integers(0, 30), st.integers(0, 5))
def test_a_round_tells_what_is_certain_however_the_rest_turn_out(
    scores: list[float], advance: int, missing: int
) -> None:
    """As soon as it is, each trial once, the best first."""
    size = len(scores) + missing
    this = Round(epoch=1, size=size, advance=min(advance, size))
    told: dict[int, Decision] = {}
    for number, score in enumerate(scores):
        decided = this.enter(number, score)
        assert decided == certain(scores[: number + 1], this, told)
        told.update(decided)
    if not missing:
        assert len(told) == size, "all have come: every fate is certain"


def certain(scores: list[float], this: Round, told: dict[int, Decision]) -> list[tuple[int, Decision]]:
    """The rule, written down once more: everyone sorted, everyone looked at."""
    worth = [math.inf if math.isnan(score) else score for score in scores]
    ranked = sorted(range(len(worth)), key=lambda number: (worth[number], number))
    sure = this.advance - (this.size - len(ranked))
    fates = [(number, Decision.CONTINUE) for number in ranked[: max(sure, 0)]]
    fates += [(number, Decision.STOP) for number in ranked[this.advance :]]
    return [(number, fate) for number, fate in fates if number not in told]
