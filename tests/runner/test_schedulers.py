"""Decision rules against random curves, arrival orders and accidents, any number of workers."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.fidelity import PASSES
from runner.rungs import Decision
from runner.schedulers import Asha, Hyperband, NoScheduler, Scheduler, make_scheduler
from tests.runner.curves import SEEDS, TROUBLE, WORKERS, Curve, draw_curves, make_job
from tests.runner.play import Play, play

SHAPES = st.tuples(st.integers(1, 30), st.integers(2, 4), st.integers(1, 3)).filter(lambda s: s[2] <= s[0])


def replayed(make: Callable[[], Scheduler], live: Play) -> Play:
    again = Play(make())
    for call in live.calls:
        again.tell(*call)
    return again


def make_asha(shape: tuple[int, int, int]) -> Asha:
    epochs, factor, least = shape
    return Asha(max_epochs=epochs, factor=factor, min_epochs=least)


def make_hyperband(shape: tuple[int, int, int], iterations: int = 1) -> Hyperband:
    epochs, factor, least = shape
    return Hyperband(max_epochs=epochs, factor=factor, min_epochs=least, iterations=iterations)


@settings(deadline=None)
@given(SHAPES, st.integers(1, 40), SEEDS, WORKERS, TROUBLE)
def test_asha_ends_every_trial_and_stops_only_with_reason(
    shape: tuple[int, int, int], trials: int, seed: int, workers: int, trouble: float
) -> None:
    """The condition is written down once more, from the calls alone."""
    curves = draw_curves(seed, trials, shape[0], trouble)
    done = play(make_asha(shape), curves, workers, np.random.default_rng(seed))

    rungs: dict[int, dict[int, float]] = {m: {} for m in done.scheduler.milestones(0)}
    for (kind, number, epoch, best), answer in zip(done.calls, done.answers, strict=True):
        if kind == "end":
            for scores in rungs.values():
                scores.setdefault(number, best)
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

    assert scheduler.on_result(0, 1, math.inf) is Decision.STOP
    assert scheduler.on_result(1, 1, math.nan) is Decision.STOP


def test_asha_by_hand() -> None:
    scheduler = Asha(max_epochs=9, factor=3, min_epochs=1)
    best = [0.5, 0.6, 0.7, 0.4, 0.45, 0.39, 0.5]

    answers = [scheduler.on_result(number, 1, score).value for number, score in enumerate(best)]

    assert answers == ["continue", "continue", "stop", "continue", "continue", "continue", "stop"]
    assert scheduler.milestones(0) == (1, 3)
    scheduler.on_end(0, 0.5)
    scheduler.on_end(1, 0.6)
    assert scheduler.on_result(3, 3, 0.55) is Decision.STOP  # two that have ended count at epoch 3


@settings(deadline=None)
@given(SHAPES, st.integers(1, 2), SEEDS, WORKERS, TROUBLE)
def test_hyperband_promotes_whom_the_synchronous_algorithm_promotes(
    shape: tuple[int, int, int], iterations: int, seed: int, workers: int, trouble: float
) -> None:
    scheduler = make_hyperband(shape, iterations)
    curves = draw_curves(seed, scheduler.trials() or 0, shape[0], trouble)

    done = play(scheduler, curves, workers, np.random.default_rng(seed))

    first = 0
    for rounds in scheduler._brackets:
        sizes = [(r.epoch, r.size) for r in rounds]
        promoted = [{n for n, fate in r.told.items() if fate is Decision.CONTINUE} for r in rounds[:-1]]
        assert promoted == reference(sizes, curves, first)
        spent = sum(done.epochs[n] for n in range(first, first + sizes[0][1]))
        assert spent <= budget(sizes)
        first += sizes[0][1]
    assert first == len(curves)


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
    told = [number for _, number, _ in done.settled]
    rounds = [len(scheduler.milestones(number)) for number in range(len(curves))]
    assert all(told.count(number) <= rounds[number] for number in set(told))


@settings(deadline=None, max_examples=50)
@given(SHAPES, SEEDS, WORKERS, TROUBLE, st.sampled_from([make_asha, make_hyperband]))
def test_a_replay_gives_the_same_rule_and_the_same_decisions(
    shape: tuple[int, int, int],
    seed: int,
    workers: int,
    trouble: float,
    make: Callable[[tuple[int, int, int]], Scheduler],
) -> None:
    scheduler = make(shape)
    curves = draw_curves(seed, scheduler.trials() or 20, shape[0], trouble)
    live = play(scheduler, curves, workers, np.random.default_rng(seed))

    again = replayed(lambda: make(shape), live)

    assert again.answers == live.answers
    assert again.settled == live.settled
    assert vars(again.scheduler) == vars(live.scheduler)


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


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 20), SEEDS, WORKERS, TROUBLE)
def test_without_a_scheduler_every_trial_comes_to_its_own_end(
    trials: int, seed: int, workers: int, trouble: float
) -> None:
    curves = draw_curves(seed, trials, 5, trouble)

    done = play(NoScheduler(), curves, workers, np.random.default_rng(seed))

    assert {n: (done.epochs[n], done.ends[n]) for n in range(trials)} == {
        n: curve.end() for n, curve in enumerate(curves)
    }


@pytest.mark.parametrize(
    ("name", "kind", "trials"),
    [("none", NoScheduler, None), ("asha", Asha, None), ("hyperband", Hyperband, 9 + 5 + 3)],
)
def test_a_job_names_its_scheduler(name: str, kind: type[Scheduler], trials: int | None) -> None:
    job = make_job(search={"scheduler": name, "factor": 3}, train={"max_epochs": 9})

    scheduler = make_scheduler(job, PASSES)

    assert isinstance(scheduler, kind)
    assert scheduler.trials() == trials
    if name == "asha":
        assert scheduler.milestones(0) == (1, 3)
