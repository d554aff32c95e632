"""Small jobs, panels and parameters for the tests of this package."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from jobs.dataspec import Split
from jobs.errors import JobError
from jobs.jobfile import parse_job
from jobs.panel import Panel
from jobs.params import LayerParams, NetworkParams, Params, TrainParams, WindowParams
from jobs.parts import Parts, split_panel
from jobs.scaling import Scaler, Scaling, fit_scaler
from jobs.spec import Job

MINIMAL = """\
name: tiny
data: {path: data/, time: date, target: y}
window: {horizon: 2}
"""

PARAMS = Params(
    WindowParams(lookback=6, horizon=2, stride=1, evaluation_stride=1, scale="standard"),
    NetworkParams((LayerParams("gru", 3, "tanh", 0.0),), reset_after=True, output_activation="linear"),
    TrainParams("adam", 0.01, "mse", 16, max_epochs=4, patience=None, min_delta=0.0, objective="val_loss"),
)


def job(*overrides: str, text: str = MINIMAL) -> Job:
    """A job with some fields set as ``--set`` sets them."""
    return parse_job(text, source="job.yaml", overrides=overrides)


def refusal(*overrides: str, text: str = MINIMAL) -> str:
    """The sentence with which such a job is refused."""
    with pytest.raises(JobError) as error:
        job(*overrides, text=text)
    return str(error.value)


def params(**changes: Any) -> Params:
    """Small parameters; a change is named by a field of a section, of a network's layer or ``layers``."""
    window, network, train = PARAMS.window, PARAMS.network, PARAMS.train
    for name, value in changes.items():
        if hasattr(window, name):
            window = replace(window, **{name: value})
        elif hasattr(train, name):
            train = replace(train, **{name: value})
        elif hasattr(network, name):
            network = replace(network, **{name: value})
        else:
            layers = tuple(replace(layer, **{name: value}) for layer in network.layers)
            network = replace(network, layers=layers)
    return Params(window, network, train)


def standard(found: Panel, parts: Parts) -> Scaler:
    """Mean and deviation of the training part."""
    return fit_scaler(found, parts, Scaling())


def unscaled(found: Panel) -> Scaler:
    """What leaves the panel's values as they are."""
    return fit_scaler(found, split_panel(found, Split()), Scaling("none"))


def panel(*lengths: int, columns: int = 2, targets: int = 1, seed: int = 0, hours: int = 1) -> Panel:
    """Series of these lengths: noisy waves, one row every ``hours`` hours."""
    rng = np.random.default_rng(seed)
    steps = np.concatenate([np.arange(length) for length in lengths])
    waves = np.sin(steps[:, None] / 3 + np.arange(columns)) * 5 + 20
    rows = (waves + rng.normal(scale=0.5, size=waves.shape)).astype(np.float32)
    return Panel(
        columns=tuple(f"c{index}" for index in range(columns)),
        targets=targets,
        rows=rows,
        times=steps.astype(np.int64) * hours * 3_600_000_000_000,
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        series=(None,) if len(lengths) == 1 else tuple(f"s{index}" for index in range(len(lengths))),
        time_type="timestamp[ns]",
    )
