"""Runs of a schedule by the real command: sweeps that are trained, models that are compared, what is kept."""

import datetime as dt
import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cluster.schedules import ScheduleFolder
from cluster.storage import Storage
from jobs.jobfile import parse_job
from runner.recurring.desk import Desk
from runner.recurring.pointer import read_champion
from tests.runner.command import JobWriter, Recur

pytestmark = pytest.mark.slow
EASY = ("--set", "promote.margin=0", "--set", "promote.confidence=0.5")


def events(recur: Recur) -> list[str]:
    return [record["event"] for record in recur.json("schedule", "history", "night")]


def add(recur: Recur, job: Path, *options: str | Path) -> ScheduleFolder:
    recur("schedule", "add", "night", job, "--cron", "0 2 * * *", *options)
    return ScheduleFolder.of(Storage.open(str(recur.storage)), "night")


def test_nights_from_the_first_to_a_rollback(recur: Recur, write_job: JobWriter, tmp_path: Path) -> None:
    told = tmp_path / "told.jsonl"
    job = write_job(tmp_path, trials=2, epochs=2)
    notice = f"notify=[{{command: [sh, -c, 'cat >> {told}; echo >> {told}']}}]"
    folder = add(recur, job, "--set", "schedule.keep=1", "--set", notice, *EASY)

    first = recur.json("schedule", "run", "night")
    assert recur("champion", "night", code=0 if first["event"] == "promoted" else 1)
    if first["event"] == "kept":  # no better than the season before: then it is put there by hand
        recur("promote", "night", "--sweep", first["sweep"], "--why", "to begin with")
    champion = recur.json("champion", "night")
    assert champion["sweep"] == first["sweep"]
    assert Path(champion["checkpoint"]).is_file()

    again = recur.json("schedule", "run", "night")
    assert (again["event"], "nothing is new" in again["reason"]) == ("skipped", True)
    time.sleep(1)  # sweeps are named by the second

    second = recur.json("schedule", "run", "night", "--force")
    assert second["event"] in {"promoted", "kept"}
    spec = parse_job((recur.storage / second["sweep"] / "spec.yaml").read_text(), source="spec.yaml")
    assert spec.search.start_from == (first["sweep"],)
    assert [json.loads(line)["event"] for line in told.read_text().split("\n") if line] == [
        first["event"],
        second["event"],
    ]
    if second["event"] == "kept":
        recur("promote", "night", "--sweep", second["sweep"], "--why", "by hand")
    assert recur.json("champion", "night")["previous"]["sweep"] == first["sweep"]
    recur("promote", "night", "--rollback", "--why", "it smells")
    assert recur.json("champion", "night")["sweep"] == first["sweep"]
    assert events(recur)[-1] == "rolled_back"
    said = recur("remove", first["sweep"], "--yes", code=2).stderr
    assert "night" in said
    state = folder.state()
    assert state is not None
    assert state.run is None


def test_a_run_that_a_signal_ends_is_gone_on_with(recur: Recur, write_job: JobWriter, tmp_path: Path) -> None:
    """By the server's kind of run; what a person ends himself is over."""
    job = write_job(tmp_path, trials=3, epochs=100_000, scheduler="none")
    folder = add(recur, job, "--set", "train.early_stopping=null", *EASY)
    for options, left in (((), False), (("--scheduled",), True)):
        if left:
            backdate(folder)
        process = recur.start("schedule", "run", "night", *options, stderr=subprocess.DEVNULL)
        sweep = wait_for_training(folder)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 130
        state = folder.state()
        assert state is not None
        assert (state.run is not None) == left
        assert recur.json("status", sweep)["state"] == "interrupted"
    assert events(recur)[-2:] != ["interrupted", "interrupted"]
    recur("schedule", "remove", "night", "--yes")
    assert (recur.storage / sweep / "spec.yaml").exists()


def backdate(folder: ScheduleFolder) -> None:
    """Have it been due an hour ago."""
    raw = folder.read_json(folder.DEFINITION)
    folder.write_json(folder.DEFINITION, raw | {"cron": "0 * * * *", "since": "2020-01-01T00:00:00Z"})
    earlier = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    folder.write_json(folder.STATE, {"settled": earlier.isoformat()})


def wait_for_training(folder: ScheduleFolder) -> str:
    """The sweep of the run that goes on, once it has a result."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        state = folder.state()
        if state is not None and state.run is not None:
            journal = Path(folder.storage.root) / state.run.sweep / "journal"
            if any('"result"' in part.read_text() for part in journal.glob("*.jsonl")):
                return state.run.sweep
        time.sleep(0.1)
    raise AssertionError("nothing was trained")


def test_a_sweep_past_its_time_competes_with_what_it_has(
    recur: Recur, write_job: JobWriter, tmp_path: Path
) -> None:
    job = write_job(tmp_path, trials=40, epochs=100_000, scheduler="none")
    limits = ("--set", "train.early_stopping=null", "--set", "schedule.time_limit=45")
    folder = add(recur, job, *limits, *EASY)
    found = recur("schedule", "run", "night", "--json")
    assert json.loads(found.stdout)["event"] in {"promoted", "kept"}
    assert "time limit of 45 s" in found.stderr
    finished = [record for record in folder.history()[0] if record.event == "finished"]
    assert 0 < finished[0].more["trials"] < 40


def test_data_that_are_gone_fail_the_run_in_a_sentence(
    recur: Recur, write_job: JobWriter, tmp_path: Path
) -> None:
    add(recur, write_job(tmp_path), "--set", "data.path=/nowhere/at/all", "--set", "schedule.retry_wait=0")
    found = recur("schedule", "run", "night", code=1)
    assert "/nowhere/at/all" in found.stderr
    assert "Traceback" not in found.stderr
    assert events(recur)[-1] == "failed"


def test_two_at_once(recur: Recur, write_job: JobWriter, tmp_path: Path) -> None:
    job = write_job(tmp_path, trials=2, epochs=100_000, scheduler="none")
    folder = add(recur, job, "--set", "train.early_stopping=null", *EASY)
    process = recur.start("schedule", "run", "night", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for_training(folder)
    said: Any = recur("schedule", "run", "night", code=2).stderr
    assert "the run of schedule night is being run by process" in said
    assert recur.json("schedule", "list")[0]["state"] == "running"
    assert "stop it with" in recur("schedule", "remove", "night", "--yes", code=2).stderr
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert read_champion(folder) is None


def test_a_sweep_that_runs_where_the_cluster_file_says(
    recur: Recur, write_job: JobWriter, tmp_path: Path
) -> None:
    cluster = tmp_path / "cluster.yaml"
    cluster.write_text("backend: local\n")
    job = write_job(tmp_path, trials=1, epochs=2)
    folder = add(recur, job, "--cluster", cluster, *EASY)
    found = recur("schedule", "run", "night", "--json")
    assert json.loads(found.stdout)["event"] in {"promoted", "kept"}
    assert "submitted to local" in found.stderr
    assert folder.exists(folder.CLUSTER)
    assert recur.json("status", json.loads(found.stdout)["sweep"])["submitted"]["backend"] == "local"


def test_a_run_that_is_replaced_stops_and_the_later_one_begins(
    recur: Recur, write_job: JobWriter, tmp_path: Path
) -> None:
    job = write_job(tmp_path, trials=1, epochs=100_000, scheduler="none")
    forever = ("--set", "train.early_stopping=null")
    folder = add(recur, job, *forever, "--set", "schedule.overlap=replace", *EASY)
    backdate(folder)
    process = recur.start("schedule", "run", "night", "--scheduled", stderr=subprocess.DEVNULL)
    first = wait_for_training(folder)
    now = dt.datetime.now(dt.UTC)
    later = now.replace(minute=0, second=0, microsecond=0) + dt.timedelta(hours=1)
    with Desk(folder).deciding(later) as agenda:  # as a server does then
        agenda.settle()
    deadline = time.monotonic() + 120
    while (second := wait_for_training(folder)) == first:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 130
    assert recur.json("status", first)["state"] == "stopped"
    ends = [record.sweep for record in folder.history()[0] if record.event == "replaced"]
    assert (ends, first < second) == ([first], True)


def test_data_in_another_unit_are_refused_before_anything_is_trained(
    recur: Recur, write_job: JobWriter, tmp_path: Path
) -> None:
    job = write_job(tmp_path, trials=1, epochs=1)
    folder = add(recur, job, *EASY)
    first = recur.json("schedule", "run", "night")
    if first["event"] == "kept":
        recur("promote", "night", "--sweep", first["sweep"])
    other = tmp_path / "other"
    other.mkdir()
    for shard in write_job.panel.glob("*.parquet"):
        table = pd.read_parquet(shard)
        table["driver"] *= 1000
        table.to_parquet(other / shard.name)
    options = ("--set", f"data.path={other}", "--set", "schedule.drift.refuse=true")
    recur("schedule", "add", "night", job, "--cron", "0 2 * * *", "--replace", *options)
    said = recur("schedule", "run", "night", code=1).stderr
    assert "column 'driver'" in said
    assert "schedule.drift.refuse" in said
    assert events(recur)[-3:] == ["started", "drift", "failed"]
    assert len(folder.storage.sweeps()) == 1
