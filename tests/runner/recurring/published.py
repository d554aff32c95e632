"""Sweeps whose best is published, with small models that were really trained, or forecast what is wanted."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
from pyarrow import fs as pafs

from cluster.scheduledocs import Definition
from cluster.schedules import ScheduleFolder
from cluster.storage import Storage, SweepFolder
from jobs.jobfile import dump_job, parse_job
from jobs.panel import Panel
from jobs.params import resolve
from jobs.sample import sample_panel
from jobs.spec import Job
from runner.data import open_job_panel
from runner.publish import Found, origin_of, publish_best
from runner.results import Results
from tests.runner.events import start, trained, trial

JOB = """
name: nightly
data: {path: DATA, time: time, series: series, target: target, past: [driver]}
window: {lookback: 12, horizon: 4}
model: {cell: gru, layers: 1, units: 8}
train: {max_epochs: 3}
search: {trials: 1}
"""
SCORES = {"model": {"mse": 0.5, "mae": float("nan")}, "seasonal_naive": {"mse": 1.0}}


def sample(folder: Path, **shape: Any) -> Path:
    """Shards of three series of 400 hours, or another shape."""
    asked: dict[str, Any] = {"series": 3, "length": 400, "shards": 2} | shape
    sample_panel(str(folder), pafs.LocalFileSystem(), **asked)
    return folder


def job_of(data: Path, *overrides: str, text: str = JOB) -> Job:
    return parse_job(text.replace("DATA", str(data)), source="job.yaml", overrides=overrides)


def put_sweep(storage: Storage, name: str, job: Job, model: bytes, panel: Panel | None = None) -> SweepFolder:
    """A sweep that has published these bytes."""
    folder = storage.sweep(name)
    folder.begin(dump_job(job).encode())
    results = Results([start() | {"fingerprint": "f"}, trial(0), *trained(0, 0.5)])
    found = Found(results.trials["00000"], 1, 0.5)
    folder.write(folder.model("00000", 1), model)
    origin = origin_of(job, panel or open_job_panel(job), found, results)
    publish_best(folder, job, found, origin, SCORES)
    return folder


def train_sweep(storage: Storage, name: str, job: Job, epochs: int, seed: int = 0) -> SweepFolder:
    """A sweep of one network that saw the training windows so often; untrained it knows nothing."""
    import keras

    from jobs.checkpoint import model_bytes
    from jobs.cut import Cutter
    from jobs.forecaster import build_forecaster
    from jobs.parts import parts_of
    from jobs.scaling import Scaling, scaler_of
    from jobs.windows import make_windows

    panel, params = open_job_panel(job), resolve(job, {})
    parts = parts_of(job, panel)
    scaler = scaler_of(panel, parts, Scaling.of(params.window))
    keras.utils.set_random_seed(seed)
    model = build_forecaster(params, scaler, panel)
    cutter = Cutter(panel, params.window)
    starts = make_windows(parts, params.window).train[: 10**6]
    if epochs:
        model.compile(keras.optimizers.Adam(0.01), "mse")
        given = {"values": cutter.inputs_of(starts)["x"]}
        if params.window.scale_by == "series":
            both = scaler.of(cutter.series(starts))
            given |= {name: each[:, 0] for name, each in zip(("centre", "spread"), both, strict=True)}
        values = given if len(given) > 1 else given["values"]
        model.fit(values, cutter.ahead_of(starts)["y"], batch_size=64, epochs=epochs, verbose=0)
    return put_sweep(storage, name, job, model_bytes(model), panel)


def regressor_sweep(storage: Storage, name: str, data: Path) -> SweepFolder:
    """A sweep of a scikit-learn regressor."""
    from sklearn.linear_model import Ridge

    from jobs.cut import Cutter
    from jobs.feed import Feed
    from jobs.parts import parts_of
    from jobs.regressor import served
    from jobs.scaling import Scaling, scaler_of
    from jobs.windows import make_windows

    found = "{build: 'mine:f', found: {kind: regressor, asks: [], compiled: null}}"
    text = JOB.replace("{cell: gru, layers: 1, units: 8}", found)
    job = job_of(data, text=text)
    panel, params = open_job_panel(job), resolve(job, {})
    parts = parts_of(job, panel)
    scaler = scaler_of(panel, parts, Scaling.of(params.window))
    feed = Feed(Cutter(panel, params.window), scaler)
    starts = make_windows(parts, params.window).train[: 10**6]
    batch = feed.gather(starts, batch=len(starts), capacity=1)
    x, y = (batch[part][0].reshape(len(starts), -1) for part in ("x", "y"))
    return put_sweep(storage, name, job, served(params, feed, Ridge(alpha=1.0).fit(x, y)), panel)


def schedule(storage: Storage, name: str = "nightly") -> ScheduleFolder:
    """A schedule's folder with a definition."""
    folder = ScheduleFolder.of(storage, name)
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    definition = Definition("0 2 * * *", "UTC", added=now, since=now, by="me")
    written = definition.__dict__ | {"added": now.isoformat(), "since": now.isoformat()}
    folder.write_json(folder.DEFINITION, written)
    return folder


PLAIN = """
name: nightly
data: {path: data, time: t, target: y}
window: {horizon: 4, lookback: 4}
"""


def plain_sweep(storage: Storage, name: str, *overrides: str, model: str = "model") -> SweepFolder:
    """A sweep of which the model's bytes do not matter, and neither do its data."""
    hours = np.arange(48, dtype=np.int64) * 3_600_000_000_000
    rows = np.zeros((48, 1), np.float32)
    panel = Panel(("y",), 1, rows, hours, np.array([0, 48]), (None,), "timestamp[ns]")
    job = parse_job(PLAIN, source="job.yaml", overrides=overrides)
    return put_sweep(storage, name, job, f"{model} of {name}".encode(), panel)
