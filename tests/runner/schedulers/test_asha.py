"""Successive halving that stops, and that promotes, against its conditions written down once more."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.schedulers.asha import Asha, PromotingAsha
from runner.schedulers.rungs import Decision
from tests.runner.curves import SEEDS, TROUBLE, WORKERS, draw_curves
from tests.runner.play import play
from tests.runner.schedulers.makers import SHAPES, make_asha, make_promoting


@settings(deadline=None)
@given(SHAPES, st.integers(1, 40), SEEDS, WORKERS, TROUBLE)
def test_asha_ends_every_trial_and_stops_only_with_reason(
    shape: tuple[int, int, int], trials: int, seed: int, workers: int, trouble: float
) -> None:
    """The condition is written down once more, from the calls alone."""
    curves = draw_curves(seed, trials, shape[0], trouble)
    done = play(make_asha(shape), curves, workers, np.random.default_rng(seed))

    rungs: dict[int, dict[int, float]] = {m: {} for m in done.scheduler.milestones(0)}
    for (kind, number, epoch, best, _), answer in zip(done.calls, done.answers, strict=True):
        if kind == "end":
            for scores in rungs.values():
                scores.setdefault(number, best)
        if kind != "result":
            continue
        rungs[epoch][number] = best
        others = sorted(rungs[epoch].values())
        if best == others[0] or len(others) < shape[1]:
            assert answer is Decision.CONTINUE
        if others.index(best) >= len(others) / shape[1] and len(others) >= shape[1]:
            assert answer is Decision.STOP
    for number, state in done.ends.items():
        assert (done.epochs[number], state) == curves[number].end() or state == "stopped_early"


@settings(deadline=None)
@given(SHAPES, st.integers(0, 40))
def test_ashas_rungs_are_the_powers_below_the_last_epoch(shape: tuple[int, int, int], number: int) -> None:
    epochs, factor, least = shape

    rungs = make_asha(shape).milestones(number)

    assert rungs == tuple(e for e in (least * factor**k for k in range(10)) if e < epochs)
    assert make_asha(shape).trials() is None


def test_asha_stops_a_score_that_is_not_finite_even_alone() -> None:
    scheduler = Asha(max_epochs=9, factor=3, min_epochs=1)

    assert scheduler.on_result(0, 1, math.inf, math.inf) is Decision.STOP
    assert scheduler.on_result(1, 1, math.nan, math.nan) is Decision.STOP


def test_asha_by_hand() -> None:
    scheduler = Asha(max_epochs=9, factor=3, min_epochs=1)
    best = [0.5, 0.6, 0.7, 0.4, 0.45, 0.39, 0.5]

    answers = [scheduler.on_result(number, 1, score, score).value for number, score in enumerate(best)]

    assert answers == ["continue", "continue", "stop", "continue", "continue", "continue", "stop"]
    assert scheduler.milestones(0) == (1, 3)
    scheduler.on_end(0, 0.5)
    scheduler.on_end(1, 0.6)
    assert scheduler.on_result(3, 3, 0.55, 0.55) is Decision.STOP  # two that have ended count at epoch 3


@settings(deadline=None)
@given(SHAPES, st.integers(1, 40), SEEDS, WORKERS, TROUBLE)
def test_promotion_asks_of_each_rung_its_share_and_brings_one_to_the_end(
    shape: tuple[int, int, int], trials: int, seed: int, workers: int, trouble: float
) -> None:
    curves = draw_curves(seed, trials, shape[0], trouble)
    done = play(make_promoting(shape), curves, workers, np.random.default_rng(seed))

    milestones = done.scheduler.milestones(0)
    seen: dict[int, dict[int, float]] = {milestone: {} for milestone in milestones}
    latest: dict[int, int] = {}
    for (kind, number, epoch, best, _), answer in zip(done.calls, done.answers, strict=True):
        if kind == "end":
            for scores in seen.values():
                scores.setdefault(number, best)
        if kind == "result":
            seen[epoch][number] = best
            latest[number] = epoch
        if answer is Decision.CONTINUE or (kind == "leg" and number in latest):
            scores = seen[latest[number]]
            rank = sorted(scores, key=lambda each: (scores[each], each)).index(number)
            all_came = latest[number] == milestones[0] and len(scores) == trials
            share = len(scores) / shape[1]
            assert rank < (math.ceil(share) if all_came or latest[number] > milestones[0] else share // 1)
    legs = [number for kind, number, *_ in done.calls if kind == "leg"]
    assert max(legs.count(number) for number in legs) <= len(milestones) + 1
    if trouble == 0:
        assert max(done.epochs.values()) == shape[0]
        assert "done" in done.ends.values()


def test_promotion_by_hand() -> None:
    scheduler = PromotingAsha(max_epochs=9, factor=2, min_epochs=3)
    scheduler.expect(5)
    assert scheduler.milestones(0) == (3, 6)
    assert scheduler.on_result(0, 3, 0.5, 0.5) is Decision.PAUSE  # one of one is no half
    assert scheduler.promotable() is None
    assert scheduler.on_result(1, 3, 0.4, 0.4) is Decision.CONTINUE  # the better of two
    assert scheduler.on_result(2, 3, 0.6, 0.6) is Decision.PAUSE
    assert scheduler.on_result(3, 3, 0.9, 0.9) is Decision.PAUSE
    assert scheduler.promotable() == 0
    scheduler.on_leg(0)
    assert scheduler.promotable() is None
    assert scheduler.on_result(1, 6, 0.4, 0.4) is Decision.PAUSE  # above it alone, and others may come
    scheduler.on_end(4, 0.1)  # the last of five has ended by itself, as the best: 3 of 5 may go on
    assert scheduler.promotable() is None
    assert [(fate.number, fate.decision) for fate in scheduler.settled()] == [
        (3, Decision.STOP),
        (2, Decision.STOP),
    ]
    assert (
        scheduler.on_result(0, 6, 0.45, 0.45) is Decision.STOP
    )  # 2 of 3 at the next: that best, and trial 1
    assert scheduler.promotable() == 1
