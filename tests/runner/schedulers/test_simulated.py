"""A thousand synthetic learning curves: how soon rules that stop find what random search finds at its end."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import median

import numpy as np
import pytest

from runner.schedulers.asha import PromotingAsha
from runner.schedulers.hyperband import Hyperband
from runner.schedulers.rule import Scheduler
from tests.runner.curves import Curve
from tests.runner.play import Play, play

EPOCHS, FACTOR, SEEDS, WORKERS = 81, 3, 50, 8


def learning_curves(rng: np.random.Generator, count: int) -> list[Curve]:
    """Scores ``a · t^(-b) + c + noise`` after epoch ``t``.

    a ~ U(0.5, 1.5), b ~ U(0.2, 1.2) and c ~ U(0, 1), drawn independently; noise ~ N(0, 0.02²).
    """
    a, b, c = rng.uniform(0.5, 1.5, count), rng.uniform(0.2, 1.2, count), rng.uniform(0, 1, count)
    t = np.arange(1, EPOCHS + 1)
    scores = a[:, None] * t ** -b[:, None] + c[:, None] + rng.normal(0, 0.02, (count, EPOCHS))
    return [Curve(tuple(each), EPOCHS) for each in scores.tolist()]


def epochs_until(done: Play, curves: list[Curve], wanted: float) -> float:
    """Epochs that all trials together had trained when one first had that score; infinity if none had."""
    trained: dict[int, int] = {}
    spent = 0
    for kind, number, epoch, *_ in done.calls:
        if kind in {"result", "end"}:
            spent += epoch - trained.get(number, 0)
            trained[number] = epoch
            if curves[number].best(epoch) <= wanted:
                return spent
    return math.inf


def promoting() -> PromotingAsha:
    return PromotingAsha(max_epochs=EPOCHS, factor=FACTOR, min_epochs=1)


def hyperband() -> Hyperband:
    return Hyperband(max_epochs=EPOCHS, factor=FACTOR, min_epochs=1, iterations=7)


@pytest.mark.parametrize("make", [promoting, hyperband])
def test_randoms_final_best_is_reached_in_a_fifth_of_its_epochs(make: Callable[[], Scheduler]) -> None:
    shares = []
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        curves = learning_curves(rng, make().trials() or 1000)
        best = min(curve.best(EPOCHS) for curve in curves)

        done = play(make(), curves, WORKERS, rng)

        shares.append(epochs_until(done, curves, best) / (EPOCHS * len(curves)))
    assert len(curves) == pytest.approx(1000, abs=1)
    assert median(shares) <= 1 / 5, sorted(shares)
