"""The engine on JAX gives what it gives on TensorFlow."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.params import LayerParams
from tests.jobs.engine.nets import NETS, ON_JAX
from tests.jobs.engine.test_network import assert_same, by_keras
from tests.jobs.listener import task, trained
from tests.jobs.small import params


@pytest.fixture(scope="module")
def on_jax(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Everything that ``jax_program`` found, by name."""
    path = tmp_path_factory.mktemp("jax") / "found.npz"
    done = subprocess.run(
        [sys.executable, "-m", "tests.jobs.engine.jax_program", str(path)],
        cwd=Path(__file__).parents[3],
        env=os.environ | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_backend_optimization_level=1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with np.load(path) as stored:
        return dict(stored)


def test_jax_is_taken_with_and_without_xla(on_jax: dict[str, Any]) -> None:
    assert on_jax["backend"].all()


@pytest.mark.parametrize("name", ON_JAX)
def test_forecast_and_gradient_are_those_of_keras_layers(name: str, on_jax: dict[str, Any]) -> None:
    found = {kind: on_jax[f"{name} {kind}"] for kind in ("forecast", "loss", "gradient")}

    assert_same(found, by_keras(name))


@pytest.mark.parametrize("name", ON_JAX)
def test_training_begins_with_the_weights_of_tensorflow(name: str, on_jax: dict[str, Any]) -> None:
    np.testing.assert_array_equal(on_jax[f"{name} initial"], NETS[name].network().initial(5))


def test_bfloat16_is_close_to_float32(on_jax: dict[str, Any]) -> None:
    wanted = by_keras("instance-6")
    for each in ("forecast", "gradient"):
        error = np.linalg.norm(on_jax[f"bfloat16 {each}"] - wanted[each]) / np.linalg.norm(wanted[each])
        assert 1e-5 < error < 0.05, each


def test_masks_depend_on_seed_step_and_layer_alone(on_jax: dict[str, Any]) -> None:
    first = on_jax["mask first"]

    assert np.mean(first > 0) == pytest.approx(0.7, abs=0.015)
    np.testing.assert_allclose(first[first > 0], 1 / 0.7, rtol=1e-5)
    np.testing.assert_array_equal(on_jax["mask again"], first)
    for other in ("seed", "step", "layer"):
        assert np.mean(on_jax[f"mask {other}"] != first) == pytest.approx(2 * 0.3 * 0.7, abs=0.02), other


def test_an_interrupted_trial_goes_on_where_it_was(on_jax: dict[str, Any]) -> None:
    assert on_jax["trial epochs"].tolist() == [3, 1, 2]
    assert on_jax["trial pieces"].item() == on_jax["trial whole"].item()
    assert on_jax["trial same bits"]


def test_a_trial_learns_what_it_learns_on_tensorflow(on_jax: dict[str, Any]) -> None:
    found = trained(task(params(layers=(LayerParams("lstm", 3, "tanh", 0.0),), max_epochs=3)), at_once=32)

    wanted = [report.metrics["val_loss"] for report in found.reports]
    np.testing.assert_allclose(on_jax["trial losses"], wanted, rtol=1e-4)
