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
from runner.schedulers.asha import Asha, PromotingAsha
from runner.schedulers.choice import make_scheduler
from runner.schedulers.hyperband import Hyperband
from runner.schedulers.median import Median
from runner.schedulers.pbt import PopulationBased
from runner.schedulers.rule import Scheduler
from runner.schedulers.rungs import Decision
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


def make_promoting(shape: tuple[int, int, int]) -> PromotingAsha:
    epochs, factor, least = shape
    return PromotingAsha(max_epochs=epochs, factor=factor, min_epochs=least)


def make_median(shape: tuple[int, int, int]) -> Median:
    return Median(max_epochs=shape[0], min_epochs=shape[2])


def make_population(shape: tuple[int, int, int]) -> PopulationBased:
    return PopulationBased(max_epochs=shape[0], interval=shape[2], seed=3)


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


@settings(deadline=None, max_examples=50)
@given(
    SHAPES,
    SEEDS,
    WORKERS,
    TROUBLE,
    st.sampled_from([make_asha, make_promoting, make_hyperband, make_median, make_population]),
)
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

    done = play(Scheduler(), curves, workers, np.random.default_rng(seed))

    assert {n: (done.epochs[n], done.ends[n]) for n in range(trials)} == {
        n: curve.end() for n, curve in enumerate(curves)
    }


@pytest.mark.parametrize(
    ("name", "kind", "trials"),
    [
        ("none", Scheduler, None),
        ("asha", Asha, None),
        ("hyperband", Hyperband, 9 + 5 + 3),
        ("median", Median, None),
        ("pbt", PopulationBased, None),
    ],
)
def test_a_job_names_its_scheduler(name: str, kind: type[Scheduler], trials: int | None) -> None:
    rate = "{float: {min: 0.001, max: 0.1}}"
    job = make_job(search={"scheduler": name, "factor": 3}, train={"max_epochs": 9, "learning_rate": rate})

    scheduler = make_scheduler(job, PASSES)

    assert isinstance(scheduler, kind)
    assert scheduler.trials() == trials
    if name == "asha":
        assert scheduler.milestones(0) == (1, 3)


def reported(done: Play) -> list[tuple[int, int, float, float]]:
    """Number, epoch, best and score of every result, in order."""
    return [call[1:] for call in done.calls if call[0] == "result"]


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
    for (number, epoch, best, score), answer in zip(reported(done), answers, strict=True):
        others = sorted(means.setdefault(epoch, []))
        middle = (others[(len(others) - 1) // 2] + others[len(others) // 2]) / 2 if others else math.inf
        scores.setdefault(number, []).append(score)
        means[epoch].append(sum(scores[number]) / len(scores[number]))
        if len(others) >= 3 and not math.isclose(best, middle):
            assert answer is (Decision.STOP if best > middle else Decision.CONTINUE)
        elif len(others) < 3:
            assert answer is Decision.CONTINUE


@settings(deadline=None)
@given(SHAPES, st.integers(1, 20), SEEDS, WORKERS, TROUBLE)
def test_of_a_population_the_last_quarter_goes_on_from_the_first(
    shape: tuple[int, int, int], trials: int, seed: int, workers: int, trouble: float
) -> None:
    curves = draw_curves(seed, trials, shape[0], trouble)
    done = play(make_population(shape), curves, workers, np.random.default_rng(seed))

    for epoch in done.scheduler.milestones(0):
        here = {number: score for number, at, _, score in reported(done) if at == epoch}
        ranked = sorted(here, key=lambda number: (here[number], number))
        heirs = {
            fate.number: fate.donor
            for _, fate in done.settled
            if fate.donor is not None and fate in epoch_fates(done, epoch)
        }
        quarter = len(ranked) // 4
        assert set(heirs) == set(ranked[len(ranked) - quarter :])
        assert set(heirs.values()) <= set(ranked[:quarter])
    assert "stopped_early" not in done.ends.values()


def epoch_fates(done: Play, epoch: int) -> list[object]:
    """What was decided on trials that waited after that epoch."""
    found, latest, index = [], dict[int, int](), 0
    for call, fate in done.settled:
        for kind, number, at, *_ in done.calls[index:call]:
            if kind == "result":
                latest[number] = at
        index = call
        if latest[fate.number] == epoch:
            found.append(fate)
    return found


@pytest.mark.parametrize("make", [make_asha, make_promoting, make_hyperband, make_population, make_median])
@pytest.mark.parametrize("failed", [0, 1, 4])
def test_a_trial_that_failed_may_begin_once_more(
    make: Callable[[tuple[int, int, int]], Scheduler], failed: int
) -> None:
    """Whoever waits is not kept waiting, and the trial comes to its end."""
    scheduler = make((9, 3, 1))
    count = scheduler.trials() or 9
    curves = draw_curves(5, count, 9, 0.0)
    done = Play(scheduler)
    done.tell("expect", count)
    done.tell("leg", failed)
    done.tell("end", failed, 0, math.inf)
    scheduler.on_retry(failed)

    again = play(scheduler, curves, 3, np.random.default_rng(0))

    assert len(again.ends) == count
    assert again.epochs[failed] >= 1
