"""Networks that begin with the weights of another model: where they fit, in every fold, and when resumed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from jobs.checkpoint import model_bytes
from jobs.cut import Cutter
from jobs.dataspec import Split
from jobs.engine.kernels import KernelNetwork
from jobs.engine.network import Network
from jobs.errors import JobError
from jobs.fold import Folds
from jobs.learner import network_of
from jobs.params import LayerParams, Params
from jobs.train import Task
from jobs.trainstate import Arrays
from jobs.warm import fit, weights_of
from tests.jobs import hypermodels
from tests.jobs.hypermodels import OWN_FIT, PLAIN, built
from tests.jobs.listener import Listener, task, trained
from tests.jobs.small import params

STACK = (LayerParams("gru", 5, "tanh", 0.2), LayerParams("lstm", 4, "tanh", 0.0))
LONG = params(layers=STACK, max_epochs=25, batch_size=8)
SHORT = params(layers=STACK, max_epochs=3, batch_size=8)


@pytest.fixture(scope="module")
def source() -> Listener:
    """A trial whose best model others begin with."""
    return trained(task(LONG, steps=200), at_once=8)


@pytest.fixture(scope="module")
def weights(source: Listener) -> Arrays:
    return weights_of(source.model, built=False)


def warm(chosen: Params, weights: Arrays, **more: Any) -> Task:
    return task(chosen, steps=200, warm=lambda: weights, **more)


def begun(given: Task, weights: Arrays | None) -> list[Arrays]:
    """The weights with which each fold of a trial begins."""
    folds = Folds(given.params, given.panel, given.folds, given.scalers, given.seed)
    folds.begin(gpu=False, warm=weights)
    return [fold.learner.arrays for fold in folds._folds]


@pytest.mark.parametrize(
    "changes",
    [
        {"cell": "simple_rnn"},
        {"cell": "lstm"},
        {"cell": "gru", "reset_after": False},
        {"layers": STACK},
        {"scale": "instance", "output_activation": "relu"},
        {"channel_independent": True},
    ],
)
def test_the_weights_of_a_saved_model_are_those_that_were_trained(changes: dict[str, Any]) -> None:
    given = task(params(max_epochs=1, **changes))
    found = trained(given, at_once=8)

    saved = weights_of(found.model, built=False)

    assert fit(saved, found.learner._training.network.shapes())
    flat = np.concatenate([np.ravel(each) for each in saved])
    np.testing.assert_array_equal(flat, found.learner.arrays[0])


def test_a_warm_trial_is_better_after_one_epoch_than_a_cold_one(source: Listener, weights: Arrays) -> None:
    cold, found = trained(task(SHORT, steps=200), at_once=8), trained(warm(SHORT, weights), at_once=8)

    first, best = found.reports[0].score, source.reports[-1].best_score
    assert first is not None
    assert best is not None
    assert cold.reports[0].score is not None
    assert first < 0.5 * cold.reports[0].score
    assert first < 1.3 * best


def test_every_fold_and_execution_begins_so_with_a_fresh_optimizer(weights: Arrays) -> None:
    given = task(params(layers=STACK, executions=2), steps=200, split=Split(folds=2))
    flat = np.concatenate([np.ravel(each) for each in weights])

    cold, found = begun(given, None), begun(given, weights)

    assert len(found) == 4
    for before, now in zip(cold, found, strict=True):
        np.testing.assert_array_equal(now[0], flat)
        assert not np.array_equal(before[0], flat)
        assert all(np.array_equal(*pair) for pair in zip(before[1:], now[1:], strict=True))


@pytest.mark.parametrize(
    "changes",
    [
        {"layers": STACK[:1]},
        {"layers": (STACK[0], LayerParams("lstm", 5, "tanh", 0.0))},
        {"layers": (STACK[0], LayerParams("gru", 4, "tanh", 0.0))},
        {"layers": STACK, "reset_after": False},
        {"layers": STACK, "horizon": 3},
    ],
)
def test_another_network_begins_cold(weights: Arrays, changes: dict[str, Any]) -> None:
    given = task(params(**changes))
    (cold,), (found,) = begun(given, None), begun(given, weights)
    assert all(np.array_equal(*pair) for pair in zip(cold, found, strict=True))


def test_a_resumed_trial_is_the_same_and_reads_them_no_more(weights: Arrays) -> None:
    given = warm(SHORT, weights)
    whole, half = trained(given), trained(given, interrupt_at=20)

    def gone() -> Arrays:
        raise AssertionError("it has weights of its own")

    rest = trained(task(SHORT, steps=200, warm=gone), half.state, len(half.reports))

    assert half.reports
    assert half.told() + rest.told() == whole.told()
    assert rest.arrays() == whole.arrays()


def test_cudnns_networks_have_the_same_weights() -> None:
    given = task(params(layers=STACK))
    cutter = Cutter(given.panel, given.params.window)
    ours, cudnns = (network_of(kind, given.params, cutter) for kind in (Network, KernelNetwork))
    assert ours.shapes() == cudnns.shapes()


def test_a_users_network_begins_so(write_module: Callable[[str], str]) -> None:
    folder = write_module(PLAIN)
    values = {"units": 3, "rate": 0.02}
    source = hypermodels.trained(task(built(folder, values=values, max_epochs=20), steps=200))
    saved = weights_of(source.model, built=True)
    short = built(folder, values=values, max_epochs=2)

    cold, found = (hypermodels.trained(task(short, steps=200, warm=w)) for w in (None, lambda: saved))
    others = built(folder, values=values | {"units": 4}, max_epochs=2)
    (cold_other,), (other,) = (begun(task(others), w) for w in (None, saved))
    (begins,) = begun(task(short), saved)

    np.testing.assert_array_equal(begins[0], np.concatenate([np.ravel(each) for each in saved]))
    assert found.reports[0].score is not None
    assert cold.reports[0].score is not None
    assert found.reports[0].score < 0.5 * cold.reports[0].score
    np.testing.assert_array_equal(cold_other[0], other[0])


@pytest.mark.parametrize("name", ["Mine", "Loop"])
def test_a_fit_of_ones_own_that_begins_again_finds_them(
    write_module: Callable[[str], str], name: str
) -> None:
    chosen = built(write_module(OWN_FIT), name, {"units": 3, "batch": 8}, max_epochs=2)
    (source,) = begun(task(chosen, seed=9), None)
    shapes = [(2, 3), (3, 3), (3,), (3, 2), (2,)]
    cut = np.split(source[0], np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1])
    saved = [each.reshape(shape) for each, shape in zip(cut, shapes, strict=True)]
    given = task(chosen, warm=lambda: saved, milestones=(1,), pauses=True)

    whole, half = hypermodels.trained(given), hypermodels.trained(given, stop_at=1)
    rest = hypermodels.trained(given, half.state, 1)

    assert begun(given, saved)[0][0].tobytes() == source[0].tobytes()
    scores = [report.score for report in half.reports + rest.reports]
    assert scores == [report.score for report in whole.reports]
    assert scores[0] != hypermodels.trained(task(chosen), stop_at=1).reports[0].score


def test_what_holds_no_network_of_ours() -> None:
    import keras

    with pytest.raises(JobError, match=r"model\.keras cannot be loaded"):
        weights_of(b"no model", built=False)
    other = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    with pytest.raises(JobError, match=r"model\.keras holds no network of Recur's: No such layer: network"):
        weights_of(model_bytes(other), built=False)
