"""The programs: what a batch counts, what dropout and clipping do, and who shares a program with whom."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from jobs.engine.network import Dropout, Network
from jobs.engine.on_tensorflow import PLAIN, XLA
from jobs.engine.optimizers import OPTIMIZERS
from jobs.engine.programs import Shape, Training, evaluation_program, training_program
from jobs.params import LayerParams, NetworkParams
from tests.jobs.engine.nets import DROPPING
from tests.jobs.engine.test_network import applied, with_keras

LOOKBACK, HORIZON, COLUMNS, TARGETS = 5, 2, 3, 2
LAYERS = (LayerParams("gru", 3, "tanh", 1.0), LayerParams("simple_rnn", 4, "relu", 1.0))
NETWORK = Network(
    NetworkParams(LAYERS, reset_after=True, output_activation="linear"),
    LOOKBACK,
    COLUMNS,
    HORIZON,
    TARGETS,
    instance=False,
)
KINDS = pytest.mark.parametrize("xla", [False, True], ids=["plain", "xla"])


def shape(**changes: Any) -> Shape:
    return replace(Shape(NETWORK, "mse", 0.5, batch=4, capacity=3, xla=False), **changes)


def given(capacity: int = 3, **changes: Any) -> dict[str, Any]:
    """A trial without dropout, clipping or scaling."""
    rates = np.full(capacity, changes.pop("learning_rate", 0.01), np.float32)
    plain = {
        "learning_rates": rates,
        "rates": np.zeros(2, np.float32),
        "seed": np.int32(7),
        "step": 0,
        "clip": np.float32(math.inf),
        "mean": np.zeros(COLUMNS, np.float32),
        "deviation": np.ones(COLUMNS, np.float32),
    }
    return plain | changes


def of_a_trial(chosen: dict[str, Any] | None = None) -> dict[str, Any]:
    """What is known outside of training too."""
    known = ("rates", "seed", "clip", "mean", "deviation")
    return {name: value for name, value in (chosen or given()).items() if name in known}


def batches(*valid: int, batch: int = 4, padding: float = 0.0) -> dict[str, Any]:
    """Random windows; those that are none are full of ``padding``."""
    draw = np.random.default_rng(1)
    x = draw.normal(size=(len(valid), batch, LOOKBACK, COLUMNS)).astype(np.float32)
    y = draw.normal(size=(len(valid), batch, HORIZON, TARGETS)).astype(np.float32)
    for index, real in enumerate(valid):
        x[index, real:] = y[index, real:] = padding
    return {"x": x, "y": y, "valid": np.array(valid, np.int32)}


def weights(seed: int = 3) -> Any:
    return np.random.default_rng(seed).normal(scale=0.4, size=NETWORK.size).astype(np.float32)


def begun(program: Training) -> list[Any]:
    return [weights(), *program.fresh()]


def arrays(found: Any) -> list[Any]:
    return [keras.ops.convert_to_numpy(array) for array in found]


def alone(at: Any, x: Any, y: Any) -> tuple[float, Any]:
    """Loss and gradient of these windows and no others, by Keras's own layers."""
    found = with_keras(NETWORK, at, x, y)
    return float(found["loss"]), found["gradient"]


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
    sums, largest = evaluation(weights(), dirty, 2, of_a_trial())
    np.testing.assert_array_equal(sums, evaluation(weights(), clean, 2, of_a_trial())[0])
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


# Evaluation


@pytest.mark.parametrize(("xla", "loss"), [(False, "huber"), (False, "quantile"), (True, "quantile")])
def test_an_evaluation_sums_over_real_windows(xla: bool, loss: str) -> None:  # noqa: FBT001
    program = evaluation_program(shape(xla=xla, loss=loss, quantile=0.9))
    many = batches(4, 4, 1, padding=50.0)

    sums, _ = program(weights(), many, 3, of_a_trial())

    real = [(x[:n], y[:n]) for x, y, n in zip(many["x"], many["y"], many["valid"], strict=True)]
    x, y = (np.concatenate(each) for each in zip(*real, strict=True))
    forecast, _ = applied(NETWORK, weights(), x)
    error = forecast.numpy() - y
    size = np.abs(error)
    losses = {
        "huber": np.where(size <= 1, error**2 / 2, size - 0.5),
        "quantile": np.where(error < 0, -0.9 * error, 0.1 * error),
    }
    wanted = [each.mean(axis=(1, 2)).sum() for each in (losses[loss], error**2, size)]
    np.testing.assert_allclose(sums, wanted, rtol=1e-5)
    assert sums.dtype == np.float64


@KINDS
def test_an_evaluation_tells_the_largest_output_of_each_unit_over_real_windows(xla: bool) -> None:  # noqa: FBT001
    program = evaluation_program(shape(xla=xla))
    for valid in ((4, 2, 0), (1, 0, 0)):  # many windows, and fewer than would hide what zeros give
        few = batches(*valid, padding=50.0)

        _, largest = program(weights(), few, 2 if valid[1] else 1, of_a_trial())

        x = np.concatenate([x[:real] for x, real in zip(few["x"], valid, strict=True)])
        _, (first, last) = applied(NETWORK, weights(), x)
        wanted = np.concatenate([first.numpy().max(axis=(0, 1)), last.numpy().max(axis=0)])
        np.testing.assert_allclose(largest, wanted, rtol=1e-5, atol=1e-6)


@KINDS
def test_windows_are_scaled_inside(xla: bool) -> None:  # noqa: FBT001
    mean, deviation = np.array([20.0, -3.0, 100.0], np.float32), np.array([4.0, 0.5, 10.0], np.float32)
    scaled = batches(4, 4, 4)
    raw = scaled | {
        "x": scaled["x"] * deviation + mean,
        "y": scaled["y"] * deviation[:TARGETS] + mean[:TARGETS],
    }
    program = evaluation_program(shape(xla=xla))

    wanted, _ = program(weights(), scaled, 3, of_a_trial())
    found, _ = program(weights(), raw, 3, of_a_trial(given(mean=mean, deviation=deviation)))

    np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_windows_that_are_none_do_no_harm_however_far_from_the_data_zero_is() -> None:
    """A column of one huge value has deviation 1, so that zeros are scaled to -1e24."""
    relu = replace(NETWORK.params, layers=(LayerParams("simple_rnn", 4, "relu", 0.0),))
    chosen = shape(network=replace(NETWORK, params=relu))
    program, evaluation = training_program(chosen, "adam"), evaluation_program(chosen)
    given_mean = given(mean=np.array([0.0, 0.0, 1e24], np.float32))
    few = batches(3, 0, 0)
    few["x"][0, :3, :, 2] = 1e24
    begin = chosen.network.initial(1)

    after, losses, norms = program([begin, *program.fresh()], few, 1, given_mean)
    sums, _ = evaluation(begin, few, 1, of_a_trial(given_mean))

    for each in (*arrays(after), losses, norms, sums):
        assert np.isfinite(each).all()


# Dropout


def masks(rate: float, *, seed: int = 1, step: int = 0, layer: int = 0, size: int = 20_000) -> Any:
    chosen = Dropout(tf.fill((3,), rate), (tf.constant(seed), tf.constant(step)))
    return DROPPING.network()._dropped(PLAIN, tf.ones((size,)), chosen, layer).numpy()


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_keeps_its_share_and_scales_it_up(rate: float) -> None:
    found = masks(rate)

    assert np.mean(found > 0) == pytest.approx(1 - rate, abs=0.015)
    np.testing.assert_allclose(found[found > 0], 1 / (1 - rate), rtol=1e-5)
    assert found.min() == 0


def test_a_rate_of_zero_drops_nothing() -> None:
    np.testing.assert_array_equal(masks(0.0), np.ones(20_000))


def test_masks_depend_on_seed_step_and_layer_alone() -> None:
    wanted = masks(0.5)

    tf.random.set_seed(99)
    np.testing.assert_array_equal(masks(0.5), wanted)
    for other in ({"seed": 2}, {"step": 1}, {"layer": 1}, {"step": 2**31 // 1021 + 5}):
        assert np.mean(masks(0.5, **other) != wanted) == pytest.approx(0.5, abs=0.02)  # independent


def test_no_two_steps_and_layers_share_a_mask() -> None:
    both = [(step, layer) for step in range(20) for layer in range(3)]

    found = {masks(0.5, step=step, layer=layer, size=64).tobytes() for step, layer in both}

    assert len(found) == len(both)


def losses(program: Training, rates: list[float], **changes: int) -> list[float]:
    """Of three batches, with these rates of dropout."""
    chosen = given(rates=np.array(rates, np.float32), **changes)
    return program(begun(program), batches(4, 4, 4), 3, chosen)[1].tolist()


@KINDS
def test_training_drops_out_by_the_rates_that_are_given(xla: bool) -> None:  # noqa: FBT001
    program = training_program(shape(xla=xla), "sgd")

    found = [
        losses(program, [0.0, 0.0]),
        losses(program, [0.5, 0.5]),
        losses(program, [0.5, 0.5], seed=np.int32(8)),
        losses(program, [0.5, 0.5], step=1),
        losses(program, [0.5, 0.0]),
        losses(program, [0.0, 0.5]),
    ]

    assert found[1] == losses(program, [0.5, 0.5])
    assert len({first for first, *_ in found}) == len(found)


def test_a_network_without_dropout_looks_at_no_rate() -> None:
    layers = tuple(replace(layer, dropout=0.0) for layer in LAYERS)
    bare = replace(NETWORK, params=replace(NETWORK.params, layers=layers))
    program, without = (training_program(shape(network=each), "sgd") for each in (NETWORK, bare))

    assert losses(without, [0.5, 0.5]) == pytest.approx(losses(program, [0.0, 0.0]), rel=1e-6)


def test_an_evaluation_drops_nothing() -> None:
    program, many = evaluation_program(shape()), batches(4, 4, 4)

    all_kept, most_dropped = (
        program(weights(), many, 3, of_a_trial(given(rates=np.full(2, rate, np.float32))))[0]
        for rate in (0.0, 0.9)
    )

    np.testing.assert_array_equal(most_dropped, all_kept)


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
        {"network": replace(NETWORK, instance=True)},
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
    evaluation.prepare(weights(), of_a_trial())
    now = begun(program)
    others = (
        {"learning_rate": 0.5},
        {"rates": np.array([0.1, 0.7], np.float32)},
        {"seed": np.int32(99), "step": 1000},
        {"clip": np.float32(0.1)},
        {"mean": np.full(COLUMNS, 3, np.float32), "deviation": np.full(COLUMNS, 2, np.float32)},
    )
    for index, changes in enumerate(others):
        count, chosen = 1 + index % 3, given(**changes)
        now, *_ = program(now, batches(4, 4, 1), count, chosen)
        evaluation(now[0], batches(4, 4, 1), count, of_a_trial(chosen))
        evaluation(arrays(now)[0], batches(2, 0, 0), 1, of_a_trial(chosen))
    program(arrays(now), batches(2, 0, 0), 1, given())  # as after resuming

    assert program._run.experimental_get_tracing_count() == 1
    if xla:  # a plain evaluation is no program of its own
        assert evaluation._run.experimental_get_tracing_count() == 1
    assert program.prepare(now, given()) == evaluation.prepare(now[0], given()) == 0.0


def test_plain_graphs_and_xla_agree() -> None:
    found = []
    for xla in (False, True):
        program = training_program(shape(xla=xla), "adam")
        after, losses, norms = program(begun(program), batches(4, 4, 2), 3, given())
        found.append(np.concatenate([arrays(after)[0], losses, norms]))

    assert program._backend is XLA
    np.testing.assert_allclose(found[1], found[0], rtol=1e-3, atol=1e-4)
