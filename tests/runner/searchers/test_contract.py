"""What every searcher holds to, told by the real conductor or by hand."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.dimensions import Boolean, Choice, Dimension, Float, Int
from jobs.fidelity import PASSES
from jobs.params import space_of
from jobs.space import Parameter, Space, Values
from jobs.spec import Job
from runner.conductor import Conductor
from runner.journal import Event
from runner.schedulers.choice import make_scheduler
from runner.searchers.axes import Axes
from runner.searchers.bayesian import BayesianSearch
from runner.searchers.choice import make_searcher
from runner.searchers.grid import GridSearch
from runner.searchers.hyperband import OracleHyperband
from runner.searchers.novelty import key
from runner.searchers.random import RandomSearch
from runner.searchers.rule import Searcher
from runner.searchers.tpe import TPE
from tests.runner.curves import SEEDS, TROUBLE, WORKERS, draw_curves, make_job
from tests.runner.pool import Lines, Pool, make_conductor, start_of
from tests.runner.test_conductor_resume import go_on, timeless

ALGORITHMS = ["random", "grid", "bayesian", "tpe", "hyperband"]
SEARCHERS = st.sampled_from(ALGORITHMS)
LEARNERS = ["bayesian", "tpe"]
EPOCHS = 9
DEEP: dict[str, Any] = {
    "cell": "{choice: [gru, lstm]}",
    "layers": "{int: {min: 1, max: 2}}",
    "units": "{int: {min: 4, max: 64, step: 4}}",
    "per_layer": "true",
}
SMALL: dict[str, Any] = {"layers": "{int: {min: 1, max: 2}}", "units": "{int: {min: 4, max: 64, step: 12}}"}
FEW = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])


def job_of(algorithm: str, trials: int = 16, seed: int = 0, model: dict[str, Any] = DEEP) -> Job:
    search = {"algorithm": algorithm, "seed": seed}
    if algorithm != "hyperband":
        search |= {"trials": trials, "scheduler": "asha"}
    return make_job(model=model, train={"max_epochs": EPOCHS}, search=search)


def new_pool(job: Job, seed: int, workers: int, trouble: float = 0.0, past: Sequence[Event] = ()) -> Pool:
    log = Lines([start_of(job), *past])
    conductor = make_conductor(job, log, log)
    curves = draw_curves(seed, conductor.planned, EPOCHS, trouble)
    return Pool(conductor, curves, workers, np.random.default_rng(seed))


def searcher_of(job: Job) -> Searcher:
    return make_searcher(job, space_of(job), make_scheduler(job, PASSES))


def asked(conductor: Conductor) -> Values | None:
    return conductor._searcher.ask(len(conductor.results.trials))


def configurations(conductor: Conductor) -> list[Values]:
    return [trial.values for trial in conductor.results.trials.values()]


def distinct(values: Sequence[Values]) -> int:
    return len({key(each) for each in values})


def run(searcher: Searcher, count: int, past: int = 0) -> list[Values]:
    """Ask and tell, each trial ending with how near its units are to forty."""
    found = []
    for number in range(past, past + count):
        values = searcher.ask(number)
        assert values is not None
        found.append(values)
        searcher.on_trial(number, values)
        searcher.on_end(number, badness(values), early=False)
    return found


def badness(values: Values) -> float:
    return abs(float(values["model.units.0"] or 0) - 40)


# What a searcher knows


@FEW
@given(SEARCHERS, SEEDS, WORKERS, TROUBLE, st.integers(0, 80))
def test_a_searcher_that_is_told_a_journal_again_asks_the_same(
    algorithm: str, seed: int, workers: int, trouble: float, steps: int
) -> None:
    job = job_of(algorithm, seed=seed)
    pool = new_pool(job, seed, workers, trouble)
    pool.run(steps=steps)
    log = pool.conductor._log
    assert isinstance(log, Lines)

    again = make_conductor(job, log, Lines())

    assert asked(again) == asked(pool.conductor)
    assert again._scheduler.promotable() == pool.conductor._scheduler.promotable()


@FEW
@given(SEARCHERS, SEEDS, TROUBLE, st.data())
def test_with_one_worker_a_search_that_was_killed_goes_on_as_if_it_had_not_been(
    algorithm: str, seed: int, trouble: float, data: st.DataObject
) -> None:
    job = job_of(algorithm, seed=seed)
    uninterrupted = new_pool(job, seed, 1, trouble)
    uninterrupted.run()

    pool = new_pool(job, seed, 1, trouble)
    for _ in range(data.draw(st.integers(1, 3))):
        pool.run(steps=data.draw(st.integers(0, 30)))
        log = pool.conductor._log
        assert isinstance(log, Lines)
        pool = go_on(job, pool, log[: max(1, len(log) - data.draw(st.integers(0, 3)))], 1)
    pool.run()

    whole, expected = pool.conductor._log, uninterrupted.conductor._log
    assert isinstance(whole, Lines)
    assert isinstance(expected, Lines)
    assert timeless(whole) == timeless(expected)


@FEW
@given(SEARCHERS, SEEDS, st.integers(0, 40))
def test_an_ask_changes_nothing(algorithm: str, seed: int, steps: int) -> None:
    job = job_of(algorithm, seed=seed)
    curious, plain = (new_pool(job, seed, 3, trouble=0.2) for _ in range(2))
    for _ in range(steps):
        if not plain.conductor.finished:
            assert asked(curious.conductor) == asked(curious.conductor)
            curious.step()
            plain.step()

    assert configurations(curious.conductor) == configurations(plain.conductor)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_seeds_decide_what_chance_decides(algorithm: str) -> None:
    runs = []
    for seed in (1, 1, 2):
        pool = new_pool(job_of(algorithm, seed=seed), 0, 2)
        pool.run()
        runs.append(configurations(pool.conductor))

    assert runs[0] == runs[1]
    assert (runs[0] == runs[2]) == (algorithm == "grid")


# What a searcher chooses


@FEW
@given(SEARCHERS, SEEDS, WORKERS, TROUBLE)
def test_trials_beside_each_other_and_after_each_other_differ(
    algorithm: str, seed: int, workers: int, trouble: float
) -> None:
    job = job_of(algorithm, seed=seed)
    pool = new_pool(job, seed, workers, trouble)

    pool.run()

    chosen = configurations(pool.conductor)
    assert distinct(chosen) == len(chosen)
    axes = Axes.of(space_of(job))
    for values in chosen:
        assert axes.point(values) is not None
        layers = {name for name in values if name.startswith("model.units.")}
        assert len(layers) == values["model.layers"]


@settings(deadline=None, max_examples=10)
@given(st.sampled_from(ALGORITHMS[:-1]), SEEDS, WORKERS)
def test_a_finite_space_is_exhausted_exactly_and_then_repeats(
    algorithm: str, seed: int, workers: int
) -> None:
    job = job_of(algorithm, trials=1000, seed=seed, model=SMALL)
    size = space_of(job).size()
    pool = new_pool(job, seed, workers, trouble=0.2)

    pool.run()

    assert len(configurations(pool.conductor)) == distinct(configurations(pool.conductor)) == size == 12
    assert asked(pool.conductor) in configurations(pool.conductor)


KINDS: list[Dimension] = [
    Int(min=2, max=11, step=3),
    Int(min=2, max=32, step=2, sampling="log"),
    Int(min=1, max=1000, sampling="log"),
    Int(min=0, max=10**9),
    Float(min=0.0, max=0.5, step=0.1),
    Float(min=1e-4, max=1e-1, step=10, sampling="log"),
    Float(min=-1.0, max=1.0),
    Float(min=1e-5, max=1.0, sampling="log"),
    Float(min=0.25, max=0.25),
    Choice(options=(1, True, 1.0, "1", None)),
    Choice(options=("gru", None)),
    Choice(options=("only",)),
    Boolean(),
]


def fresh(algorithm: str, space: Space, seed: int) -> Searcher:
    match algorithm:
        case "grid":
            return GridSearch(space)
        case "hyperband":
            axes = Axes.of(space)
            return OracleHyperband(axes, max_epochs=9, factor=3, iterations=1, seed=seed).searcher()
    return {"random": RandomSearch, "bayesian": BayesianSearch, "tpe": TPE}[algorithm](space, seed)


@FEW
@given(SEARCHERS, st.lists(st.sampled_from(KINDS), min_size=1, max_size=3), SEEDS)
def test_every_kind_of_value_comes_as_the_job_file_has_it(
    algorithm: str, kinds: list[Dimension], seed: int
) -> None:
    endless = any(kind.values() is None for kind in kinds if isinstance(kind, Float))
    if algorithm == "grid" and endless:
        return
    space = Space(tuple(Parameter(f"p{i}", kind) for i, kind in enumerate(kinds)), depth=lambda _: 1)
    searcher = fresh(algorithm, space, seed)
    axes, asks = Axes.of(space), int(min(12, space.size()))
    for number in range(asks):
        values = searcher.ask(number)
        if values is None:
            assert algorithm == "hyperband"
            break
        for (name, value), kind in zip(values.items(), kinds, strict=True):
            if isinstance(kind, Int):
                assert type(value) is int
                assert kind.min <= value <= kind.max
            elif isinstance(kind, Float):
                assert type(value) is float
                assert kind.min <= value <= kind.max
            options = None if isinstance(kind, Int) and kind.count() > 1000 else kind.values()
            assert options is None or (type(value), value) in {(type(o), o) for o in options}, name
        point = axes.point(values)
        assert point is not None
        assert axes.values(point) == values
        searcher.on_trial(number, values)
        searcher.on_end(number, float(number % 5), early=False)


# What a searcher learns from


@pytest.mark.parametrize("algorithm", LEARNERS)
def test_a_model_finds_what_is_good_sooner_than_chance(algorithm: str) -> None:
    model = {"units": "{int: {min: 1, max: 400}}", "per_layer": "true"}
    means = []
    for name in (algorithm, "random"):
        asks = run(searcher_of(job_of(name, seed=3, model=model)), 30)
        means.append(np.mean([badness(values) for values in asks[15:]]))

    assert means[0] < means[1] / 2


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_results_of_other_sweeps_count_where_their_configurations_are_the_spaces(algorithm: str) -> None:
    job = job_of(algorithm, seed=1)
    fit = [
        {
            "values": {"model.cell": "gru", "model.layers": 1, "model.units.0": units},
            "epoch": 9,
            "score": abs(units - 40.0),
        }
        for units in range(4, 68, 4)
    ]
    unfit = [
        *({**each, "values": {**each["values"], "model.cell": "rnn"}} for each in fit),
        *({**each, "values": {**each["values"], "train.optimizer": "sgd"}} for each in fit),
        *({**each, "values": {"model.cell": "gru", "model.layers": 2, "model.units.0": 8}} for each in fit),
        *({**each, "values": {**each["values"], "model.units.0": 41}} for each in fit),
        *({**each, "score": None} for each in fit),
    ]
    asks = []
    for evidence in ([], unfit, fit, unfit + fit):
        searcher = searcher_of(job)
        searcher.on_evidence(evidence)
        asks.append(searcher.ask(0))

    assert asks[1] == asks[0]
    assert asks[3] == asks[2]
    assert (asks[2] != asks[0]) == (algorithm in LEARNERS)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_configurations_that_it_did_not_choose_are_taken_note_of(algorithm: str) -> None:
    job = job_of(algorithm)
    own = searcher_of(job).ask(0)
    outside = {"model.cell": "gru", "model.layers": 1, "model.units.0": 63}
    given_first = [{"values": own}, {"values": outside}]
    event: Event = {"event": "given", "configurations": given_first, "evidence": [], "time": 0.0}
    pool = new_pool(job, 1, 3, past=[event])

    pool.run()

    chosen = configurations(pool.conductor)
    assert chosen[:2] == [own, outside]
    assert distinct(chosen) == len(chosen)
    assert pool.conductor.complete


@pytest.mark.parametrize("algorithm", LEARNERS)
def test_trials_that_come_to_nothing_are_kept_away_from(algorithm: str) -> None:
    model = {"units": "{int: {min: 1, max: 400}}", "per_layer": "true"}
    searcher = searcher_of(job_of(algorithm, seed=2, model=model))
    for number in range(40):
        values = {"model.units.0": 10 * number + 1}
        searcher.on_trial(number, values)
        searcher.on_end(number, 1.0 if number < 20 else float("inf"), early=False)

    asks = run(searcher, 5, past=40)

    assert sum(int(values["model.units.0"] or 0) > 200 for values in asks) <= 1


@pytest.mark.parametrize("algorithm", LEARNERS)
def test_results_are_compared_at_equal_epochs(algorithm: str) -> None:
    """At three epochs few units are best; that many are better than few at one epoch counts no more."""
    model = {"units": "{int: {min: 1, max: 400}}", "per_layer": "true"}
    searcher = searcher_of(job_of(algorithm, seed=2, model=model))
    for number in range(40):
        units = 10 * number + 1
        searcher.on_trial(number, {"model.units.0": units})
        searcher.on_result(number, 1, 1000.0 - units)
    early = copy.deepcopy(searcher)
    for number in range(40):
        searcher.on_result(number, 3, 2000.0 + 10 * number)

    low, high = (int(run(each, 1, past=40)[0]["model.units.0"] or 0) for each in (searcher, early))
    assert low < 200 < high
