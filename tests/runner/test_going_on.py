"""Sweeps that are stopped, resumed, extended and retried, by the real command."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from cluster.storage import SweepFolder
from runner.journal import Event, encode
from tests.runner.command import JobWriter, Recur, journal

pytestmark = pytest.mark.slow


def wait_for(recur: Recur, name: str, epochs: int) -> None:
    """Until so many epochs have been trained."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        events = journal(recur.storage / name) if (recur.storage / name).exists() else []
        if sum(event["event"] == "result" for event in events) >= epochs:
            return
        time.sleep(0.1)
    raise AssertionError("nothing is trained")


def results(sweep: Path) -> list[tuple[str, int]]:
    return [(event["trial"], event["epoch"]) for event in journal(sweep) if event["event"] == "result"]


@pytest.mark.parametrize("how", [["--now"], []])
def test_a_sweep_is_stopped_from_elsewhere_and_resumed(
    recur: Recur, tmp_path: Path, write_job: JobWriter, how: list[str]
) -> None:
    job = write_job(tmp_path, trials=4, epochs=300)
    sweep = recur.storage / "small"
    patience = "train.early_stopping=null"
    running = recur.start("run", job, "--set", patience, "--set", "search.factor=10")
    wait_for(recur, "small", 12)

    stopped = recur("stop", "small", *how)

    assert running.wait(60) == 0
    assert "recur resume small" in stopped.stdout
    status = recur.json("status", "small")
    assert status["state"] == "stopped"
    assert status["trials"]["running"] == 0
    assert not (sweep / "stop.json").exists()
    rungs = {1, 10, 100, 300}
    if not how:
        assert {trial["epochs_trained"] for trial in recur.json("trials", "small")} <= rungs
    assert recur("stop", "small", code=2).stderr.startswith("Error: sweep small is not being run")

    done = recur.json("resume", "small", "--workers=1")

    assert done["state"] == "done"
    told = results(sweep)
    assert len(told) == len(set(told))


def test_one_that_is_stopped_before_its_first_result_says_so_and_is_resumed(
    recur: Recur, tmp_path: Path, write_job: JobWriter
) -> None:
    job = write_job(tmp_path, trials=1, epochs=2)
    sweep = recur.storage / "small"
    running = recur.start("run", job, "--workers=1", stderr=subprocess.PIPE)
    while running.poll() is None and not (sweep.exists() and journal(sweep)):
        time.sleep(0.05)

    recur("stop", "small", "--now")

    said = running.communicate(timeout=60)[1].decode()
    assert running.returncode == 0, said
    assert "it was stopped before any trial had a score; recur resume small goes on" in said
    assert recur.json("resume", "small", "--workers=1")["state"] == "done"


def test_a_finished_sweep_is_extended_as_if_it_had_been_asked_for_more(
    recur: Recur, tmp_path: Path, write_job: JobWriter
) -> None:
    job = write_job(tmp_path, trials=3, scheduler="none", epochs=2)
    recur("run", job, "--workers", "1")
    before = recur.json("trials", "small")

    more = recur.json("extend", "small", "--trials", "+2", "--workers", "1")

    assert (more["state"], more["trials"]["done"]) == ("done", 5)
    after = recur.json("trials", "small")
    assert after[:3] == before
    whole: Any = recur.json("run", job, "--name", "whole", "--trials", "5", "--workers", "1")
    assert [each["hyperparameters"] for each in recur.json("trials", "whole")] == [
        each["hyperparameters"] for each in after
    ]
    assert whole["score"] == more["score"]
    assert recur.json("run", job, "--trials", "6", "--workers", "1")["trials"]["done"] == 6
    unchanged = recur("resume", "small")
    assert "it is finished; nothing was changed" in unchanged.stderr
    assert "differs in search.trials" in recur("run", job, "--trials", "4", code=2).stderr


def test_extending_is_refused_where_it_cannot_be(recur: Recur, tmp_path: Path, write_job: JobWriter) -> None:
    job = write_job(tmp_path, trials=1, epochs=1)
    one = ("--set", "model.cell=gru", "--set", "model.units=4", "--set", "model.dropout=0.0")
    recur("run", job, "--workers=1", *one)
    bands = write_job(tmp_path, name="bands", scheduler="hyperband", trials=None, epochs=1)
    recur("run", bands, "--workers=1")

    assert "all 1 configurations" in recur("extend", "small", "--trials", "+1", code=2).stderr
    assert "'all' is no number" in recur("extend", "small", "--trials", "all", code=2).stderr
    said = recur("extend", "bands", "--trials", "+1", code=2).stderr
    assert "--set search.hyperband_iterations=2" in said
    count = len(recur.json("trials", "bands"))
    again = recur.json("run", bands, "--workers=1", "--set", "search.hyperband_iterations=2")
    assert sum(again["trials"].values()) == 2 * count


def test_failed_trials_and_only_they_are_retried(recur: Recur, tmp_path: Path, write_job: JobWriter) -> None:
    job = write_job(tmp_path, trials=1, scheduler="none", epochs=2)
    recur("run", job, "--workers=1")
    in_the_way = recur.storage / "small" / "checkpoints" / "00001"
    in_the_way.write_text("no folder")  # where the trial is to save
    recur("extend", "small", "--trials", "+2", "--workers=1")
    assert recur.json("status", "small")["trials"]["failed"] == 1
    failed = recur.json("trials", "small")[1]
    in_the_way.unlink(missing_ok=True)

    done = recur.json("retry", "small", "--workers=1")

    assert failed["state"] == "failed"
    assert done["trials"] == dict.fromkeys(done["trials"], 0) | {"done": 3}
    again = recur.json("trials", "small")[1]
    assert (again["state"], again["error"], again["epochs_trained"]) == ("done", None, 2)
    told = results(recur.storage / "small")
    assert [trial for trial, _ in told].count("00000") == 2
    assert "no trial has failed" in recur("retry", "small").stderr


def test_a_sweep_begins_with_its_default_and_with_what_others_found(
    recur: Recur, tmp_path: Path, write_job: JobWriter
) -> None:
    recur("run", write_job(tmp_path, trials=4), "--workers=1")
    best = recur.json("best", "small", "--top", "2")

    job = write_job(tmp_path, name="next", trials=4)
    recur("run", job, "--workers=1", "--set", "search.start_from=small", "--set", "search.seed=8")

    tried = [trial["hyperparameters"] for trial in recur.json("trials", "next")]
    assert tried[0] == {"model.cell": "gru", "model.units": 12, "model.dropout": 0.0}
    names = tried[0].keys()
    known = [{name: trial["hyperparameters"][name] for name in names} for trial in best]
    assert all(values in tried for values in known)
    (given,) = (event for event in journal(recur.storage / "next") if event["event"] == "given")
    assert {each["epoch"] for each in given["evidence"]} <= {1, 2, 3}
    assert all(each["values"] in [e["values"] for e in given["evidence"]] for each in given["configurations"])
    said = recur("run", job, "--name", "other", "--set", "search.start_from=none-such", code=2).stderr
    assert "no sweep 'none-such'" in said
    assert not (recur.storage / "other").exists()
    recur("remove", "small", "--yes")
    assert recur.json("extend", "next", "--trials", "+1", "--workers=1")["trials"]["paused"] == 0


def test_a_sweep_that_a_later_version_has_run_is_left_alone(
    recur: Recur, tmp_path: Path, write_job: JobWriter
) -> None:
    job = write_job(tmp_path, trials=1, epochs=1)
    recur("run", job, "--workers=1")
    folder = SweepFolder.from_uri(str(recur.storage / "small"))
    later: Event = {"event": "start", "version": 99, "time": 0.0, "versions": {}, "planned": 1}
    folder.write(folder.segment(folder.segments()[-1].last + 1), encode(later))

    assert "version 99" in recur("extend", "small", "--trials", "+1", code=1).stderr
