"""A training process's work without the process: it gives signs of life during whatever takes long."""

from __future__ import annotations

import io
import json
import os
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from pyarrow import fs as pafs

from cluster.storage import Storage
from jobs.jobfile import dump_job, load_job
from jobs.params import resolve
from jobs.sample import sample_panel
from runner import conversation, worker
from runner.conversation import Line
from runner.data import open_job_panel
from runner.discovery import asked_of_worker
from runner.worker import Worker

SLOW = """
import time
from contextlib import nullcontext
from sklearn import linear_model


class Ridge(linear_model.Ridge):
    __module__ = linear_model.Ridge.__module__  # by which it is saved

    def fit(self, x, y):
        time.sleep({fit})
        return super().fit(x, y)

    def predict(self, x):
        time.sleep({predict})
        return super().predict(x)


def build(hp):
    time.sleep({build})
    return Ridge()
"""
_SLOW = 1.0  # seconds, in which there are twenty signs of life
BUILT = "model={{build: mine:build, folder: {folder}, found: {{kind: regressor, compiled: null, asks: []}}}}"
MORE = ["window.lookback=8", "window.horizon=2", "train.learning_rate=0.01"]


def order(folder: Path, slow: str) -> dict[str, Any]:
    """To train a regressor of which one part is slow."""
    times = {name: _SLOW if name == slow else 0 for name in ("build", "fit", "predict")}
    (folder / "mine.py").write_text(SLOW.format(**times))
    sample_panel(str(folder / "data"), pafs.LocalFileSystem(), length=240, shards=2)
    job = load_job(folder / "data" / "job.yaml", [BUILT.format(folder=folder), *MORE])
    open_job_panel(job).save(folder / "panel")
    return {
        "do": "train",
        "job": dump_job(job),
        "sweep": Storage.open(str(folder / "sweeps")).sweep("a").uri,
        "panel": str(folder / "panel"),
        "trial": "00000",
        "epoch": 0,
        "params": resolve(job, {}).to_json(),
        "seed": 5,
        "milestones": [],
        "rungs": [],
        "alike": 1.0,
        "pauses": False,
        "to_beat": None,
    }


@pytest.mark.parametrize("slow", ["folds_of", "build", "fit", "predict"])
def test_what_is_slow_gives_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: str) -> None:
    monkeypatch.setattr(conversation, "_SIGN_SECONDS", 0.05)
    folds = worker.folds_of
    if slow == "folds_of":
        monkeypatch.setattr(worker, slow, lambda *given: time.sleep(_SLOW) or folds(*given))
    source, sink = os.pipe()[0], io.StringIO()
    line = Line(os.fdopen(source), sink)

    Worker(line, lambda *_: nullcontext(), gpu=False, refusal=None)._train(order(tmp_path, slow))

    said = [json.loads(text)["say"] for text in sink.getvalue().splitlines()]
    assert said[-2:] == ["report", "left"]
    assert said.count("heartbeat") >= 10


def test_signs_of_life_are_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow:
        def __init__(self, **_: object) -> None:
            self.says = [{"say": "heartbeat"}, {"say": "heartbeat"}, {"say": "described", "summary": "it"}]

        def send(self, message: dict[str, Any]) -> None: ...

        def receive(self) -> dict[str, Any]:
            return self.says.pop(0)

        def close(self) -> None: ...

    monkeypatch.setattr("runner.discovery.WorkerProcess", Slow)
    job = load_job(Path("jobs/examples") / "gru.yaml")

    assert asked_of_worker(job, type("Panel", (), {"folder": "p"})(), {"do": "describe"})["summary"] == "it"
