"""A synthetic panel and the parameters of small trials, for benchmarks of single trials."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.dataspec import Split
from jobs.panel import Panel
from jobs.params import LayerParams, NetworkParams, Params, TrainParams, WindowParams
from jobs.parts import split_folds, split_panel
from jobs.scaling import Scaler, Scaling, fit_scaler

if TYPE_CHECKING:
    from jobs.train import Task

HORIZON, COLUMNS = 24, 7


def make_panel(steps: int, seed: int = 7) -> Panel:
    """One series of noisy waves."""
    waves = np.sin(np.arange(steps)[:, None] / 12 + np.arange(COLUMNS))
    noise = np.random.default_rng(seed).normal(scale=0.3, size=waves.shape)
    names = tuple(f"c{index}" for index in range(COLUMNS))
    rows = (waves + noise).astype(np.float32)
    return Panel(names, 1, rows, np.arange(steps), np.array([0, steps]), (None,), "int64")


def make_params(cell: str, layers: int, units: int, *, lookback: int, epochs: int, **train: Any) -> Params:
    """A stack of equal layers, trained by Adam."""
    return Params(
        WindowParams(lookback, HORIZON, 1, 1, "standard"),
        NetworkParams((LayerParams(cell, units, "tanh", 0.0),) * layers, True, "linear"),  # noqa: FBT003
        TrainParams("adam", 1e-3, "mse", 64, epochs, None, 0.0, "val_loss", **train),
    )


def make_task(params: Params, panel: Panel, seed: int) -> Task:
    """A trial on the default split, its scaler fitted."""
    from jobs.train import Task

    folds = split_folds(panel, Split())
    scalers = tuple(fit_scaler(panel, parts, Scaling.of(params.window)) for parts in folds)
    return Task(params, panel, folds, scalers, seed)


def unscaled(panel: Panel) -> Scaler:
    """What leaves values as they are."""
    return fit_scaler(panel, split_panel(panel, Split()), Scaling("none"))
