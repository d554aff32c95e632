"""Evaluation programs, and what both kinds make of values that are not there."""

from __future__ import annotations

import numpy as np
import pytest

from jobs.engine.programs import evaluation_program, training_program
from tests.jobs.engine.programs import (
    HORIZON,
    KINDS,
    NETWORK,
    TARGETS,
    arrays,
    batches,
    begun,
    given,
    shape,
    weights,
)
from tests.jobs.engine.test_network import applied

# Evaluation


@pytest.mark.parametrize(("xla", "loss"), [(False, "huber"), (False, "quantile"), (True, "quantile")])
def test_an_evaluation_sums_over_real_windows(xla: bool, loss: str) -> None:  # noqa: FBT001
    program = evaluation_program(shape(xla=xla, loss=loss, quantile=0.9))
    many = batches(4, 4, 1, padding=50.0)

    sums, _ = program(weights(), many, 3)

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
    np.testing.assert_allclose(sums, [*wanted, len(x)], rtol=1e-5)
    assert sums.dtype == np.float64


@KINDS
def test_an_evaluation_tells_the_largest_output_of_each_relu_unit_over_real_windows(xla: bool) -> None:  # noqa: FBT001
    program = evaluation_program(shape(xla=xla))
    for valid in ((4, 2, 0), (1, 0, 0)):  # many windows, and fewer than would hide what zeros give
        few = batches(*valid, padding=50.0)

        _, largest = program(weights(), few, 2 if valid[1] else 1)

        x = np.concatenate([x[:real] for x, real in zip(few["x"], valid, strict=True)])
        _, (_, last) = applied(NETWORK, weights(), x)
        wanted = last.numpy().max(axis=0)  # the first layer's units are no ReLUs
        np.testing.assert_allclose(largest, wanted, rtol=1e-5, atol=1e-6)


# Values that are not there


@KINDS
def test_values_that_are_not_there_do_not_count(xla: bool) -> None:  # noqa: FBT001
    program, training = (
        evaluation_program(shape(xla=xla, masked=True)),
        training_program(shape(xla=xla, masked=True), "sgd"),
    )
    many = batches(4, 3, 0)
    there = np.random.default_rng(4).integers(0, 2, many["y"].shape).astype(np.float32)
    there[0, 1] = 0  # a window without any
    dirty = many | {"there": there, "y": np.where(there > 0, many["y"], 1e6).astype(np.float32)}

    sums, _ = program(weights(), dirty, 2)
    _, losses, norms = training(begun(training), dirty, 2, given())

    errors, counts = [], []
    for i, count in enumerate((4, 3)):
        forecast = applied(NETWORK, weights(), many["x"][i, :count])[0].numpy()
        errors.append((forecast - many["y"][i, :count])[there[i, :count] > 0])
        counts.append(len(errors[-1]))
    error = np.concatenate(errors)
    wanted = [np.mean(error**2), np.mean(np.abs(error))]
    np.testing.assert_allclose(sums[1:3] / sums[3], wanted, rtol=1e-4)
    squares = [np.square(each).sum() for each in errors]
    assert losses[0] == pytest.approx(squares[0] / counts[0], rel=1e-4)
    assert np.isfinite(norms).all()


@KINDS
def test_a_batch_of_nothing_but_missing_values_teaches_nothing(xla: bool) -> None:  # noqa: FBT001
    training = training_program(shape(xla=xla, masked=True), "sgd")
    nothing = batches(4, 0, 0) | {"there": np.zeros((3, 4, HORIZON, TARGETS), np.float32)}

    after, losses, norms = training(begun(training), nothing, 1, given(clip=np.float32(1.0)))

    np.testing.assert_array_equal(arrays(after)[0], weights())
    assert losses.tolist() == norms.tolist() == [0.0]
