"""Sweeps whose epochs are parts of a pass, in lower precision and within little disk, by the real command."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from tests.runner.command import JobWriter, Recur, journal

WINDOWS = "search.windows=40"  # of about 120 training windows


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory, write_job: JobWriter) -> Recur:
    """A finished sweep that validated several times in a pass."""
    recur = Recur(tmp_path_factory.mktemp("parts"))
    job = write_job(recur.folder, trials=6, epochs=2)
    recur("run", job, "--workers=1", "--set", WINDOWS, "--set=train.precision=mixed_bfloat16")
    return recur


def test_rungs_lie_within_a_pass(parts: Recur) -> None:
    sweep = parts.storage / "small"
    (start,) = (event for event in journal(sweep) if event["event"] == "start")
    fidelity = start["fidelity"]
    per_pass = fidelity["per_pass"]
    assert per_pass > 1
    assert 30 <= fidelity["windows"] <= 60

    rungs = {event["epoch"] for event in journal(sweep) if event["event"] == "result" and event["rung"]}
    assert rungs == {each for each in (1, 3, 9) if each < 2 * per_pass}
    trials = parts.json("trials", "small")
    assert max(trial["epochs_trained"] for trial in trials) == 2  # passes, as the job file counts them
    stopped = [trial for trial in trials if trial["state"] == "stopped_early"]
    assert min(trial["epochs_trained"] for trial in stopped) == round(1 / per_pass, 4)


def test_people_are_shown_passes_everywhere(parts: Recur) -> None:
    sweep = parts.storage / "small"
    trials = parts.json("trials", "small")
    best = parts.json("best", "small")

    table = pd.read_parquet(sweep / "trials.parquet").set_index("id")
    assert table.epochs_trained.tolist() == [trial["epochs_trained"] for trial in trials]
    assert table.loc[best["trial_id"], "epoch"] == best["epoch"]
    assert best["test"] is not None  # it is the published one
    assert json.loads((sweep / "best/metrics.json").read_text())["epoch"] == best["epoch"]
    fidelity = json.loads((sweep / "best/manifest.json").read_text())["fidelity"]
    assert fidelity == next(event["fidelity"] for event in journal(sweep) if event["event"] == "start")
    total = parts.json("status", "small")["epochs_trained"]
    assert total == pytest.approx(sum(trial["epochs_trained"] for trial in trials), abs=0.01)
    assert best["hyperparameters"]["train.max_epochs"] == 2
    assert best["hyperparameters"]["train.precision"] == "mixed_bfloat16"


def test_a_dry_run_says_so(parts: Recur, write_job: JobWriter) -> None:
    job = write_job(parts.folder, name="other")

    said = parts("run", job, "--dry-run", "--set", WINDOWS).stdout

    (line,) = (line for line in said.splitlines() if line.startswith("validation"))
    found = re.fullmatch(
        r"validation  on (\d+) of its windows, after every (\d+) training windows, \d+ to a pass", line
    )
    assert found is not None
    assert int(found[1]) == int(found[2]) // 4
    assert "validation  " not in parts("run", job, "--dry-run").stdout


def test_a_sweep_within_little_disk_finds_the_same(tmp_path: Path, write_job: JobWriter) -> None:
    """Paused trials that lose their states are trained again; nobody sees a difference."""
    recur = Recur(tmp_path)
    found = []
    for name, limit in (("wide", "null"), ("narrow", "1.0e-9")):
        job = write_job(tmp_path, name=name, scheduler="hyperband", trials=None, epochs=9)
        recur("run", job, "--workers=1", f"--set=resources.disk_gb={limit}")
        results = [
            (event["trial"], event["epoch"], event["score"])
            for event in journal(recur.storage / name)
            if event["event"] == "result"
        ]
        found.append((results, recur.json("best", name)["test"]))

    assert found[0] == found[1]
