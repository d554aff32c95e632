"""Hyperband against the synchronous algorithm and KerasTuner's brackets."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.schedulers.hyperband import Hyperband
from runner.schedulers.rungs import Decision
from tests.runner.curves import SEEDS, TROUBLE, WORKERS, Curve, draw_curves
from tests.runner.play import Play, play
from tests.runner.schedulers.makers import SHAPES, make_hyperband


@settings(deadline=None)
@given(SHAPES, st.integers(1, 2), SEEDS, WORKERS, TROUBLE)
def test_hyperband_promotes_whom_the_synchronous_algorithm_promotes(
    shape: tuple[int, int, int], iterations: int, seed: int, workers: int, trouble: float
) -> None:
    scheduler = make_hyperband(shape, iterations)
    curves = draw_curves(seed, scheduler.trials() or 0, shape[0], trouble)

    done = play(scheduler, curves, workers, np.random.default_rng(seed))

    promoted = went_on(done)
    first = 0
    for rounds in scheduler._brackets:
        sizes = [(r.epoch, r.size) for r in rounds]
        for (epoch, _), wanted in zip(sizes[:-1], reference(sizes, curves, first), strict=True):
            own = range(first, first + sizes[0][1])
            assert {n for n in own if (n, epoch) in promoted} == {
                n for n in wanted if curves[n].end()[0] > epoch
            }
        spent = sum(done.epochs[n] for n in range(first, first + sizes[0][1]))
        assert spent <= budget(sizes)
        first += sizes[0][1]
    assert first == len(curves)


def went_on(done: Play) -> set[tuple[int, int]]:
    """Numbers and epochs of the milestones from which trials went on."""
    found, latest = set(), dict[int, int]()
    fates = {call: [fate for at, fate in done.settled if at == call] for call, _ in done.settled}
    for index, ((kind, number, epoch, *_), answer) in enumerate(
        zip(done.calls, done.answers, strict=True), start=1
    ):
        if kind == "result":
            latest[number] = epoch
            if answer is Decision.CONTINUE:
                found.add((number, epoch))
        found |= {
            (fate.number, latest[fate.number])
            for fate in fates.get(index, ())
            if fate.decision is Decision.CONTINUE
        }
    return found


def reference(rounds: list[tuple[int, int]], curves: list[Curve], first: int) -> list[set[int]]:
    """One bracket of Hyperband, one round after another; who goes on after each but the last."""
    going = set(range(first, first + rounds[0][1]))
    promoted = []
    for (epoch, size), (_, next_size) in pairwise(rounds):
        assert len(going) == size
        scores = {n: standing(curves[n], epoch) for n in going}
        going = set(sorted(going, key=lambda n: (scores[n], n))[:next_size])
        promoted.append(going)
    return promoted


def standing(curve: Curve, epoch: int) -> float:
    end, state = curve.end()
    if end > epoch:
        return curve.best(epoch)
    return curve.best(end) if state == "done" else math.inf


def budget(rounds: list[tuple[int, int]]) -> int:
    spent, before = 0, 0
    for epoch, size in rounds:
        spent, before = spent + size * (epoch - before), epoch
    return spent


@settings(deadline=None)
@given(SHAPES, SEEDS, WORKERS, TROUBLE)
def test_hyperband_never_asks_more_of_a_trial_than_its_round(
    shape: tuple[int, int, int], seed: int, workers: int, trouble: float
) -> None:
    scheduler = make_hyperband(shape)
    curves = draw_curves(seed, scheduler.trials() or 0, shape[0], trouble)

    done = play(scheduler, curves, workers, np.random.default_rng(seed))

    for number, state in done.ends.items():
        last = (*scheduler.milestones(number), shape[0])
        if state == "stopped_early":
            assert done.epochs[number] in last[:-1]
        else:
            assert (done.epochs[number], state) == curves[number].end()
    told = [fate.number for _, fate in done.settled]
    rounds = [len(scheduler.milestones(number)) for number in range(len(curves))]
    assert all(told.count(number) <= rounds[number] for number in set(told))


@pytest.mark.parametrize("factor", [2, 3, 4, 5, 10])
def test_hyperbands_brackets_are_kerastuners(factor: int) -> None:
    from keras_tuner.oracles import HyperbandOracle

    for epochs in [*range(1, 31), 50, 64, 81, 100, 125, 243, 343, 625, 1000]:
        oracle = HyperbandOracle(objective="val_loss", max_epochs=epochs, factor=factor)
        ours = Hyperband(max_epochs=epochs, factor=factor, min_epochs=1, iterations=1)

        assert [[(r.epoch, r.size) for r in rounds] for rounds in ours._brackets] == [
            [(oracle._get_epochs(k, r), oracle._get_size(k, r)) for r in range(k + 1)]
            for k in reversed(range(oracle._get_num_brackets()))
        ], epochs


def test_hyperbands_least_epochs_leave_the_deepest_brackets_out() -> None:
    scheduler = Hyperband(max_epochs=81, factor=3, min_epochs=5, iterations=2)

    assert [[r.epoch for r in rounds] for rounds in scheduler._brackets] == [[9, 27, 81], [27, 81], [81]] * 2
    assert scheduler.milestones(0) == (9, 27)
    assert scheduler.milestones((scheduler.trials() or 0) - 1) == ()
