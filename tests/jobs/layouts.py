"""Panels with columns of every kind, and windows of every shape."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from jobs.panel import Panel
from jobs.params import WindowParams
from jobs.source import Columns
from tests.jobs.shard_files import read, write

LENGTHS = (40, 7, 19, 60)
WINDOW = WindowParams(lookback=6, horizon=3, stride=1, evaluation_stride=1, scale="standard")
WINDOWS = {
    "plain": {},
    "one-step-in": {"lookback": 1},
    "one-step-out": {"horizon": 1},
    "sequence": {"output": "sequence"},
    "padded": {"padded": True},
    "separate": {"channel_independent": True},
    "separate-padded-sequence": {"channel_independent": True, "padded": True, "output": "sequence"},
    "separate-series": {"channel_independent": True, "scale_by": "series", "transform": "log"},
    "min-max": {"scale": "min_max"},
    "instance-padded": {"scale": "instance", "padded": True},
    "moments": {"scale": "instance_standard", "transform": "box_cox"},
    "moments-padded-separate": {"scale": "instance_standard", "padded": True, "channel_independent": True},
    "none": {"scale": "none"},
    "series": {"scale_by": "series"},
    "series-min-max": {"scale_by": "series", "scale": "min_max", "transform": "log"},
}


def window(name: str) -> WindowParams:
    return replace(WINDOW, **WINDOWS[name])


def rich_panel(seed: int = 0) -> Panel:
    """Two positive targets, a past and three known columns (one of the calendar), masks, static features."""
    rng = np.random.default_rng(seed)
    steps = sum(LENGTHS)
    targets = rng.gamma(3.0, 20.0, (steps, 2)) + np.arange(steps)[:, None]
    others = rng.normal(50, 9, (steps, 3))
    calendar = np.sin(np.arange(steps) / 24)[:, None]
    masks = rng.random((steps, 3)) < 0.15
    rows = np.concatenate([targets, others, calendar, masks], axis=1).astype(np.float32)
    return Panel(
        columns=("a", "b", "past", "price", "rain", "calendar.hour_sin", "a?", "b?", "past?"),
        targets=2,
        rows=rows,
        times=np.concatenate([np.arange(length) for length in LENGTHS]) * 3_600_000_000_000,
        offsets=np.concatenate([[0], np.cumsum(LENGTHS)]),
        series=tuple("pqrs"),
        time_type="timestamp[ns]",
        known=3,
        calendar=1,
        masks=3,
        static=np.array([[1, 0, 5.0], [0, 1, 9], [1, 0, 7], [0, 1, 30]], np.float32),
        statics=("kind=x", "kind=y", "size"),
    )


def gaps() -> pd.DataFrame:
    """Rows of series ``id`` at ``t``: targets, a past and a future covariate, half of their values missing.

    The first ones of each series are known.
    """
    rng = np.random.default_rng(1)
    values = {name: rng.gamma(3.0, 20.0, sum(LENGTHS)) for name in ("a", "b", "past", "rain")}
    found = pd.DataFrame(values, dtype=np.float32)
    gone = rng.random(found.shape) < 0.5
    gone[np.cumsum((0, *LENGTHS[:-1]))] = False
    found = found.mask(gone)
    found.insert(0, "t", np.concatenate([np.arange(length) for length in LENGTHS]))
    found.insert(0, "id", np.repeat(list("pqrs"), LENGTHS))
    return found


def gapped_panel(missing: str = "interpolate") -> Panel:
    """Of ``gaps``, filled so."""
    columns = Columns("t", "id", ("a", "b"), ("past",), future=("rain",), missing=missing)
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "a.parquet", **{name: gaps()[name] for name in gaps()})
        return read(folder, columns)
