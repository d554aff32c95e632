"""What a searcher chooses: configurations of the space, each once, as the job file has them."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.dimensions import Boolean, Choice, Dimension, Float, Int
from jobs.params import space_of
from jobs.space import Condition, Parameter, Space
from runner.searchers.axes import Axes
from runner.searchers.bayesian import BayesianSearch
from runner.searchers.grid import GridSearch
from runner.searchers.hyperband import OracleHyperband
from runner.searchers.random import RandomSearch
from runner.searchers.rule import Searcher
from runner.searchers.tpe import TPE
from tests.runner.curves import SEEDS, TROUBLE, WORKERS
from tests.runner.searchers.searches import (
    ALGORITHMS,
    FEW,
    SEARCHERS,
    asked,
    configurations,
    distinct,
    job_of,
)
from tests.runner.sweeps import new_pool

SMALL: dict[str, Any] = {"layers": "{int: {min: 1, max: 2}}", "units": "{int: {min: 4, max: 64, step: 12}}"}
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


@FEW
@given(SEARCHERS, SEEDS)
def test_what_exists_only_beside_other_values_is_chosen_only_there(algorithm: str, seed: int) -> None:
    rnn = (Condition("kind", ("rnn",)),)
    space = Space(
        (
            Parameter("kind", Choice(options=("rnn", "dense"))),
            Parameter("units", Int(min=1, max=2), when=rnn),
            Parameter("gate", Boolean(), when=(*rnn, Condition("units", (2,)))),
            Parameter("bias", Boolean()),
        ),
        depth=lambda _: 1,
    )
    searcher, chosen = fresh(algorithm, space, seed), list[str]()
    for number in range(int(space.size())):
        values = searcher.ask(number)
        if values is None:
            assert algorithm == "hyperband"
            break
        assert values == space.active(values)
        chosen.append(repr(values))
        searcher.on_trial(number, values)
        searcher.on_end(number, float(number % 3), early=False)
    assert len(chosen) == len(set(chosen)) > 1


def shared(*, finite: bool) -> Space:
    """Names that several hyperparameters have, beside different values and, the rate, beside the same one."""
    kinds = {kind: Condition("kind", (kind,)) for kind in ("rnn", "dense", "none")}
    rate: Dimension = Float(min=1.0, max=2.0, step=0.5) if finite else Float(min=1.0, max=2.0)
    return Space(
        (
            Parameter("kind", Choice(options=tuple(kinds))),
            Parameter("units", Int(min=2, max=4), when=(kinds["rnn"],)),
            Parameter("units", Int(min=20, max=40, step=10), when=(kinds["dense"],)),
            Parameter("gate", Boolean(), when=(kinds["rnn"], Condition("units", (2, 4)))),
            Parameter("gate", Choice(options=("a", "b")), when=(kinds["dense"], Condition("units", (20,)))),
            Parameter("rate", Boolean(), when=(Condition("kind", ("rnn", "dense")),)),
            Parameter("rate", rate, when=(Condition("kind", ("dense", "none")),)),
        ),
        depth=lambda _: 1,
    )


@FEW
@given(SEARCHERS, SEEDS, st.booleans())
def test_what_shares_a_name_has_the_values_of_its_own_scope(algorithm: str, seed: int, finite: bool) -> None:  # noqa: FBT001 - hypothesis gives it
    space = shared(finite=finite or algorithm == "grid")
    searcher, axes, chosen = fresh(algorithm, space, seed), Axes.of(space), list[str]()
    for number in range(int(min(40, space.size()))):
        values = searcher.ask(number)
        if values is None:
            assert algorithm == "hyperband"
            break
        held = [p for p in space.parameters if p.holds(dict(values))]
        meant = {p.name: p.dimension for p in reversed(held)}
        assert values.keys() == meant.keys()
        for name, value in values.items():
            assert repr(meant[name].nearest(value)) == repr(value), values
        point = axes.point(values)
        assert point is not None
        assert (axes.values(point), axes.active(point)) == (values, point)
        chosen.append(repr(values))
        searcher.on_trial(number, values)
        searcher.on_end(number, float(number % 5), early=False)
    assert len(chosen) == len(set(chosen)) > 1


@settings(deadline=None, max_examples=10)
@given(st.sampled_from(ALGORITHMS[:-1]), SEEDS)
def test_a_space_of_shared_names_is_exhausted_exactly(algorithm: str, seed: int) -> None:
    space = shared(finite=True)
    searcher, chosen = fresh(algorithm, space, seed), set[str]()
    for number in range(int(space.size())):
        values = searcher.ask(number)
        assert values is not None
        chosen.add(repr(values))
        searcher.on_trial(number, values)
        searcher.on_end(number, float(number % 5), early=False)

    assert len(chosen) == space.size() == 2 * 5 + 2 * 4 + 3
