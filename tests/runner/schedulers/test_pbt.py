"""Population based training against quarters of those that came to an epoch."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.runner.curves import SEEDS, TROUBLE, WORKERS, draw_curves
from tests.runner.play import Play, play
from tests.runner.schedulers.makers import SHAPES, make_population


@settings(deadline=None)
@given(SHAPES, st.integers(1, 20), SEEDS, WORKERS, TROUBLE)
def test_of_a_population_the_last_quarter_goes_on_from_the_first(
    shape: tuple[int, int, int], trials: int, seed: int, workers: int, trouble: float
) -> None:
    curves = draw_curves(seed, trials, shape[0], trouble)
    done = play(make_population(shape), curves, workers, np.random.default_rng(seed))

    for epoch in done.scheduler.milestones(0):
        here = {number: score for number, at, _, score in done.results if at == epoch}
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
