"""The served model: the network with its scaling inside, and nothing of Recur's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from jobs.checkpoint import model_bytes
from jobs.forecaster import build_forecaster
from jobs.models import build_network
from jobs.params import LayerParams
from jobs.scaling import Scaler
from tests.jobs.small import panel, params

SCALER = Scaler(np.array([[20.0, -3.0, 1e4]]), np.array([[5.0, 0.25, 30.0]]))
SCALES = ["standard", "instance", "none"]
LAYERS = (
    LayerParams("lstm", 3, "tanh", 0.2),
    LayerParams("gru", 4, "relu", 0.1),
    LayerParams("simple_rnn", 2, "sigmoid", 0.0),
)


def history(count: int = 5, scaler: Scaler = SCALER) -> Any:
    noise = np.random.default_rng(3).normal(size=(count, 6, 3))
    return (scaler.centre + scaler.spread * noise).astype(np.float32)


def built(scale: str, scaler: Scaler = SCALER) -> Any:
    keras.utils.set_random_seed(1)
    chosen = params(scale=scale, layers=LAYERS)
    return build_forecaster(chosen, scaler, panel(40, columns=3, targets=2))


def given(model: Any, values: Any) -> Any:
    return np.asarray(keras.ops.convert_to_numpy(model(values, training=False)))


def by_hand(scale: str, forecaster: Any, raw: Any, scaler: Scaler = SCALER) -> Any:
    """What is served: scaling in NumPy round the bare network."""
    network = forecaster.get_layer("network")
    if scale == "none":
        return given(network, raw)
    scaled = (raw.astype(np.float64) - scaler.centre) / scaler.spread
    level = scaled[:, -1:, :] if scale == "instance" else np.zeros((len(raw), 1, 3))
    forecast = given(network, (scaled - level).astype(np.float32)) + level[:, :, :2]
    return forecast * scaler.spread[:, :2] + scaler.centre[:, :2]


@pytest.mark.parametrize("scale", SCALES)
def test_the_served_model_is_the_network_with_scaling_by_hand_round_it(scale: str) -> None:
    forecaster = built(scale)

    served = by_hand(scale, forecaster, history())

    np.testing.assert_allclose(given(forecaster, history()), served, rtol=1e-4, atol=1e-4)
    assert served.shape == (5, 2, 2)


@pytest.mark.parametrize("size", [1e-12, 1e-6, 1e6, 1e24])
def test_columns_of_any_size_are_scaled(size: float) -> None:
    scaler = Scaler(SCALER.centre * size, SCALER.spread * size)
    forecaster = built("standard", scaler)

    served = by_hand("standard", forecaster, history(scaler=scaler), scaler)

    got = given(forecaster, history(scaler=scaler))
    np.testing.assert_allclose(got / size, served / size, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("scale", SCALES)
def test_the_served_models_weights_are_the_networks_alone(scale: str) -> None:
    forecaster = built(scale)
    before, network = given(forecaster, history()), forecaster.get_layer("network")

    forecaster.set_weights([weight * 0.5 for weight in forecaster.get_weights()])

    assert not np.allclose(given(forecaster, history()), before)
    assert [weight.shape for weight in forecaster.get_weights()] == [
        weight.shape for weight in network.get_weights()
    ]


def test_dropout_follows_the_layers_that_have_one() -> None:
    network = build_network(params(layers=LAYERS).network, lookback=6, inputs=3, horizon=2, targets=2)

    assert [layer.name for layer in network.layers] == [
        "history",
        "lstm_0",
        "dropout_0",
        "gru_1",
        "dropout_1",
        "simple_rnn_2",
        "head",
        "steps",
    ]


PROGRAM = """
import sys

class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("jobs", "runner", "cluster"):
            raise ImportError(name)

sys.meta_path.insert(0, Nothing())
try:
    import jobs
except ImportError:
    pass
else:
    raise AssertionError("Recur can be imported here")
import keras, numpy
history = numpy.load("history.npy")
for scale in ("standard", "instance", "none"):
    model = keras.saving.load_model(f"{scale}.keras", safe_mode=True)
    numpy.save(f"{scale}.npy", model.predict(history, verbose=0))
"""


def test_the_saved_model_needs_nothing_but_keras(tmp_path: Path) -> None:
    forecasters = {scale: built(scale) for scale in SCALES}
    for scale, forecaster in forecasters.items():
        (tmp_path / f"{scale}.keras").write_bytes(model_bytes(forecaster))
    np.save(tmp_path / "history.npy", history())

    done = subprocess.run(
        [sys.executable, "-I", "-c", PROGRAM],
        cwd=tmp_path,
        env={"PATH": os.defpath, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    for scale, forecaster in forecasters.items():
        forecast = np.load(tmp_path / f"{scale}.npy")
        np.testing.assert_allclose(forecast, given(forecaster, history()), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("scale", SCALES)
def test_nothing_in_the_saved_model_is_code(scale: str, tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(model_bytes(built(scale)))

    with zipfile.ZipFile(path) as stored:
        names, config = sorted(stored.namelist()), json.loads(stored.read("config.json"))

    assert names == ["config.json", "metadata.json", "model.weights.h5"]
    assert {module.partition(".")[0] for module in modules(config)} <= {"keras", "builtins"}
    assert "Lambda" not in json.dumps(config)


def modules(config: Any) -> set[str]:
    """The module of everything that a saved configuration would have built."""
    if isinstance(config, list):
        return set().union(*(modules(part) for part in config))
    if not isinstance(config, dict):
        return set()
    own = {config["module"]} if isinstance(config.get("module"), str) else set()
    return own.union(*(modules(part) for part in config.values()))
