"""What a searcher knows is what it was told, and chance is decided by the seed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.runner.curves import SEEDS, TROUBLE, WORKERS
from tests.runner.pool import Lines, make_conductor
from tests.runner.searchers.searches import ALGORITHMS, FEW, SEARCHERS, asked, configurations, job_of
from tests.runner.sweeps import go_on, journal, new_pool, timeless


@FEW
@given(SEARCHERS, SEEDS, WORKERS, TROUBLE, st.integers(0, 80))
def test_a_searcher_that_is_told_a_journal_again_asks_the_same(
    algorithm: str, seed: int, workers: int, trouble: float, steps: int
) -> None:
    job = job_of(algorithm, seed=seed)
    pool = new_pool(job, seed, workers, trouble)
    pool.run(steps=steps)

    again = make_conductor(job, journal(pool.conductor), Lines())

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
        log = journal(pool.conductor)
        pool = go_on(job, pool, log[: max(1, len(log) - data.draw(st.integers(0, 3)))], 1)
    pool.run()

    assert timeless(journal(pool.conductor)) == timeless(journal(uninterrupted.conductor))


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
