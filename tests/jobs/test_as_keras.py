"""Training a trial is what Keras's own ``fit`` does with the same windows, weights and optimizer."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from jobs.engine.network import Network
from jobs.feed import Passes
from jobs.models import build_network
from jobs.params import LayerParams
from jobs.train import Task
from jobs.windows import make_windows
from tests.jobs.listener import task, trained
from tests.jobs.small import params


def scaled(given: Task, starts: Any) -> tuple[Any, Any]:
    """Windows and their targets, sliced one by one."""
    window, scaler = given.params.window, given.scalers[0]
    rows = ((given.panel.rows - scaler.centre) / scaler.spread).astype(np.float32)
    ends = starts + window.lookback
    x = np.array([rows[start:end] for start, end in zip(starts, ends, strict=True)])
    return x, np.array([rows[end : end + window.horizon, : given.panel.targets] for end in ends])


def fitted(given: Task) -> list[dict[str, float]]:
    """What Keras finds in every epoch."""
    chosen, windows = given.params, make_windows(given.folds[0], given.params.window)
    sizes = {
        "lookback": chosen.window.lookback,
        "inputs": len(given.panel.columns),
        "horizon": chosen.window.horizon,
        "targets": given.panel.targets,
    }
    network = Network(chosen.network, **sizes)
    model = build_network(chosen.network, **sizes)
    ends = np.cumsum([np.prod(shape) for shape in network.shapes()])[:-1]
    flat = np.split(network.initial(given.seed), ends)
    model.set_weights([part.reshape(shape) for part, shape in zip(flat, network.shapes(), strict=True)])
    model.compile(
        keras.optimizers.Adam(chosen.train.learning_rate), loss="mse", metrics=["mae"], run_eagerly=True
    )
    found, passes = [], Passes(windows.train, given.seed)
    for epoch in range(chosen.train.max_epochs):
        x, y = scaled(given, passes.between(epoch * len(windows.train), (epoch + 1) * len(windows.train)))
        history = model.fit(
            x,
            y,
            batch_size=chosen.train.batch_size,
            shuffle=False,
            verbose=0,
            validation_data=scaled(given, windows.validation[:]),
        )
        found.append({name: values[0] for name, values in history.history.items()})
    return found


@pytest.mark.parametrize("cell", ["gru", "lstm", "simple_rnn"])
def test_every_epoch_finds_what_keras_fit_finds(cell: str) -> None:
    layers = (LayerParams(cell, 4, "tanh", 0.0), LayerParams(cell, 3, "tanh", 0.0))
    given = task(params(layers=layers, learning_rate=0.02, max_epochs=3, lookback=9), steps=70)

    reports = trained(given, at_once=32).reports

    wanted = fitted(given)
    assert len(reports) == len(wanted) == 3
    assert wanted[2]["val_loss"] < 0.9 * wanted[0]["val_loss"]  # or the case would show nothing
    for report, keras_found in zip(reports, wanted, strict=True):
        for name in ("loss", "val_loss", "val_mae"):
            assert report.metrics[name] == pytest.approx(keras_found[name], rel=1e-4), (report.epoch, name)
