"""The median rule against the middle of the means so far."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.schedulers.rungs import Decision
from tests.runner.curves import SEEDS, TROUBLE, WORKERS, draw_curves
from tests.runner.play import play
from tests.runner.schedulers.makers import SHAPES, make_median


@settings(deadline=None)
@given(SHAPES, st.integers(1, 20), SEEDS, WORKERS, TROUBLE)
def test_the_median_stops_who_is_worse_than_the_middle_of_those_that_came_before(
    shape: tuple[int, int, int], trials: int, seed: int, workers: int, trouble: float
) -> None:
    curves = draw_curves(seed, trials, shape[0], trouble)
    done = play(make_median(shape), curves, workers, np.random.default_rng(seed))

    scores: dict[int, list[float]] = {}
    means: dict[int, list[float]] = {}
    answers = [answer for answer in done.answers if answer is not None]
    for (number, epoch, best, score), answer in zip(done.results, answers, strict=True):
        others = sorted(means.setdefault(epoch, []))
        middle = (others[(len(others) - 1) // 2] + others[len(others) // 2]) / 2 if others else math.inf
        scores.setdefault(number, []).append(score)
        means[epoch].append(sum(scores[number]) / len(scores[number]))
        if len(others) >= 3 and not math.isclose(best, middle):
            assert answer is (Decision.STOP if best > middle else Decision.CONTINUE)
        elif len(others) < 3:
            assert answer is Decision.CONTINUE
