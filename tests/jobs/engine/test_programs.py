"""Training programs: what a batch counts, what clipping does, and who shares a program with whom."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from jobs.engine.on_tensorflow import XLA
from jobs.engine.optimizers import OPTIMIZERS
from jobs.engine.programs import evaluation_program, training_program
from tests.jobs.engine.programs import (
    COLUMNS,
    KINDS,
    NETWORK,
    alone,
    arrays,
    batches,
    begun,
    given,
    shape,
    weights,
)

# Batches


@KINDS
def test_a_partial_batch_counts_its_real_windows_alone(xla: bool) -> None:  # noqa: FBT001
    program = training_program(shape(xla=xla), "sgd")
    few = batches(3, 0, 0, padding=50.0)

    after, losses, norms = program(begun(program), few, 1, given(learning_rate=1.0))

    loss, gradient = alone(weights(), few["x"][0, :3], few["y"][0, :3])
    assert losses == pytest.approx([loss], rel=1e-5)
    assert norms == pytest.approx([np.linalg.norm(gradient)], rel=1e-5)
    np.testing.assert_allclose(weights() - arrays(after)[0], gradient, rtol=1e-4, atol=1e-6)


@KINDS
def test_batches_follow_each_other(xla: bool) -> None:  # noqa: FBT001
    program = training_program(shape(xla=xla), "sgd")
    many = batches(4, 4, 2)
    rates = np.array([0.1, 0.02, 0.3], np.float32)

    after, losses, norms = program(begun(program), many, 3, given() | {"learning_rates": rates})

    at, wanted = weights(), []
    for x, y, valid, rate in zip(many["x"], many["y"], many["valid"], rates, strict=True):
        loss, gradient = alone(at, x[:valid], y[:valid])
        at = at - rate * gradient
        wanted.append((loss, np.linalg.norm(gradient)))
    np.testing.assert_allclose(np.stack([losses, norms], 1), wanted, rtol=1e-4)
    np.testing.assert_allclose(arrays(after)[0], at, rtol=1e-4, atol=1e-5)
    assert float(after[1]) == 3


@KINDS
def test_what_lies_behind_the_last_batch_is_not_looked_at(xla: bool) -> None:  # noqa: FBT001
    program, evaluation = training_program(shape(xla=xla), "adam"), evaluation_program(shape(xla=xla))
    clean, dirty = batches(4, 3, 0), batches(4, 3, 0)
    dirty["x"][2] = dirty["y"][2] = np.nan

    (wanted, *trained), (found, *again) = (
        program(begun(program), each, 2, given()) for each in (clean, dirty)
    )

    assert [a.tobytes() for a in arrays(found)] == [a.tobytes() for a in arrays(wanted)]
    assert [len(each) for each in trained] == [2, 2]
    np.testing.assert_array_equal(again, trained)
    sums, largest = evaluation(weights(), dirty, 2)
    np.testing.assert_array_equal(sums, evaluation(weights(), clean, 2)[0])
    assert np.isfinite(largest).all()


@KINDS
def test_the_same_batches_in_several_calls_give_the_same_bits(xla: bool) -> None:  # noqa: FBT001
    program = training_program(shape(xla=xla), "adam")
    many = batches(4, 4, 2)
    chosen = given(rates=np.array([0.3, 0.2], np.float32), clip=np.float32(0.5)) | {
        "learning_rates": np.array([0.1, 0.02, 0.3], np.float32)
    }

    whole, losses, norms = program(begun(program), many, 3, chosen)

    now, found = begun(program), []
    for begin, end in ((0, 1), (1, 3)):
        piece = {name: np.roll(array, -begin, axis=0) for name, array in many.items()}
        part = chosen | {"step": begin, "learning_rates": np.roll(chosen["learning_rates"], -begin)}
        now, *rest = program(now, piece, end - begin, part)
        found.append(rest)
    assert [a.tobytes() for a in arrays(now)] == [a.tobytes() for a in arrays(whole)]
    np.testing.assert_array_equal(np.concatenate(found, axis=1), [losses, norms])


def test_no_batch_changes_nothing() -> None:
    program = training_program(shape(), "adam")

    after, losses, _ = program(begun(program), program.shape.nothing(), 0, given())

    assert [a.tobytes() for a in arrays(after)] == [a.tobytes() for a in arrays(begun(program))]
    assert len(losses) == 0


# Clipping


@KINDS
def test_a_gradient_is_scaled_down_to_the_largest_norm_allowed(xla: bool) -> None:  # noqa: FBT001
    program = training_program(shape(xla=xla), "sgd")
    one = batches(4, 0, 0)
    _, gradient = alone(weights(), one["x"][0], one["y"][0])
    norm = np.linalg.norm(gradient)

    def moved(clip: float) -> Any:
        after, _, norms = program(begun(program), one, 1, given(learning_rate=1.0, clip=np.float32(clip)))
        assert norms[0] == pytest.approx(norm, rel=1e-5)  # told as it was before
        return weights() - arrays(after)[0]

    np.testing.assert_allclose(moved(norm / 10), gradient / 10, rtol=1e-3, atol=1e-6)
    assert np.linalg.norm(moved(norm / 10)) == pytest.approx(norm / 10, rel=1e-4)
    for enough in (2 * norm, math.inf):
        np.testing.assert_allclose(moved(enough), gradient, rtol=1e-3, atol=1e-6)


# Sharing


def test_trials_of_the_same_shape_share_their_programs() -> None:
    assert training_program(shape(), "adam") is training_program(shape(), "adam")
    assert evaluation_program(shape()) is evaluation_program(shape())


@pytest.mark.parametrize(
    "changes",
    [
        {"batch": 5},
        {"capacity": 2},
        {"loss": "mae"},
        {"xla": True},
        {"network": replace(NETWORK, lookback=8)},
        {"network": replace(NETWORK, normalise="last", own=COLUMNS)},
    ],
    ids=str,
)
def test_trials_of_other_shapes_do_not(changes: dict[str, Any]) -> None:
    assert training_program(shape(**changes), "adam") is not training_program(shape(), "adam")
    assert evaluation_program(shape(**changes)) is not evaluation_program(shape())


def test_another_optimizer_is_another_program() -> None:
    assert len({id(training_program(shape(), name)) for name in OPTIMIZERS}) == len(OPTIMIZERS)


@KINDS
def test_nothing_that_differs_between_trials_is_compiled_in(xla: bool) -> None:  # noqa: FBT001
    program, evaluation = training_program(shape(xla=xla), "adam"), evaluation_program(shape(xla=xla))

    program.prepare(begun(program), given())
    evaluation.prepare(weights())
    now = begun(program)
    others = (
        {"learning_rate": 0.5},
        {"rates": np.array([0.1, 0.7], np.float32)},
        {"seed": np.int32(99), "step": 1000},
        {"clip": np.float32(0.1)},
    )
    for index, changes in enumerate(others):
        count, chosen = 1 + index % 3, given(**changes)
        now, *_ = program(now, batches(4, 4, 1), count, chosen)
        evaluation(now[0], batches(4, 4, 1), count)
        evaluation(arrays(now)[0], batches(2, 0, 0), 1)
    program(arrays(now), batches(2, 0, 0), 1, given())  # as after resuming

    assert program._run.experimental_get_tracing_count() == 1
    if xla:  # a plain evaluation is no program of its own
        assert evaluation._run.experimental_get_tracing_count() == 1
    assert program.prepare(now, given()) == evaluation.prepare(now[0]) == 0.0


def test_plain_graphs_and_xla_agree() -> None:
    found = []
    for xla in (False, True):
        program = training_program(shape(xla=xla), "adam")
        after, losses, norms = program(begun(program), batches(4, 4, 2), 3, given())
        found.append(np.concatenate([arrays(after)[0], losses, norms]))

    assert program._backend is XLA
    np.testing.assert_allclose(found[1], found[0], rtol=1e-3, atol=1e-4)
