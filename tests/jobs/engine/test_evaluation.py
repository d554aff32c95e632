"""Evaluation programs, and what both kinds do with raw windows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from jobs.engine.programs import evaluation_program, fresh_state, training_program
from jobs.params import LayerParams
from tests.jobs.engine.programs import (
    KINDS,
    NETWORK,
    TARGETS,
    arrays,
    batches,
    given,
    of_a_trial,
    shape,
    weights,
)
from tests.jobs.engine.test_network import applied

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
def test_an_evaluation_tells_the_largest_output_of_each_relu_unit_over_real_windows(xla: bool) -> None:  # noqa: FBT001
    program = evaluation_program(shape(xla=xla))
    for valid in ((4, 2, 0), (1, 0, 0)):  # many windows, and fewer than would hide what zeros give
        few = batches(*valid, padding=50.0)

        _, largest = program(weights(), few, 2 if valid[1] else 1, of_a_trial())

        x = np.concatenate([x[:real] for x, real in zip(few["x"], valid, strict=True)])
        _, (_, last) = applied(NETWORK, weights(), x)
        wanted = last.numpy().max(axis=0)  # the first layer's units are no ReLUs
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

    after, losses, norms = program([begin, *fresh_state(program.shape.network, "adam")], few, 1, given_mean)
    sums, _ = evaluation(begin, few, 1, of_a_trial(given_mean))

    for each in (*arrays(after), losses, norms, sums):
        assert np.isfinite(each).all()
