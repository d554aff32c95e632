"""Servers as processes: what they answer, what they start, and how they leave."""

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from cluster.scheduledocs import Definition, Record
from cluster.schedules import ScheduleFolder
from cluster.storage import Storage

JOB = b"name: night\ndata: {path: /nowhere/data, time: t, target: y}\nwindow: {horizon: 1}\n"


def add(storage: Storage, name: str, cron: str, *, paused: bool = False, job: bytes = JOB) -> ScheduleFolder:
    """A schedule that was due a moment ago."""
    folder, moment = ScheduleFolder.of(storage, name), dt.datetime.now(dt.UTC) - dt.timedelta(seconds=65)
    folder.write(folder.JOB, job)
    folder.define(Definition(cron, "UTC", moment, moment, "somebody", paused=paused))
    return folder


@contextmanager
def serving(root: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server, and where it answers."""
    command = [sys.executable, "-m", "runner.cli", "schedule", "serve", "--storage", str(root), "--port", "0"]
    server = subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    try:
        said = server.stderr.readline()
        yield server, said.partition("; ")[2].partition("/healthz")[0]
    finally:
        server.kill()
        server.wait()
        server.stderr.close()


def asked(address: str) -> tuple[int, str]:
    answer = requests.get(address, timeout=10)
    return answer.status_code, answer.text


def until(folder: ScheduleFolder, event: str, seconds: float = 90.0) -> Record:
    """The first record of that kind, as soon as there is one."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = [record for record in folder.history()[0] if record.event == event]
        if found:
            return found[0]
        time.sleep(0.2)
    raise AssertionError(f"no {event}: {folder.history()}")


def test_it_answers_decides_and_leaves(tmp_path: Path) -> None:
    storage = Storage.open(str(tmp_path))
    folder = add(storage, "night", "* * * * *", paused=True)
    with serving(tmp_path) as (server, address):
        assert asked(f"{address}/nothing")[0] == 404
        record = until(folder, "skipped")
        assert record.tick is not None
        assert 0 <= (record.time - record.tick).total_seconds() < 130
        assert asked(f"{address}/healthz") == (200, "ok\n")
        code, metrics = asked(f"{address}/metrics")
        assert code == 200
        assert 'recur_schedule_events_total{event="skipped",schedule="night"} 1.0' in metrics
        assert "recur_schedules 1.0" in metrics
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0


def test_a_job_that_is_not_valid_any_more_fails_by_its_field(tmp_path: Path) -> None:
    folder = add(Storage.open(str(tmp_path)), "night", "* * * * *", job=JOB + b"search: {trails: 5}\n")
    with serving(tmp_path):
        record = until(folder, "failed")
    assert "search.trails" in record.reason
    assert "did you mean trials" in record.reason
    assert folder.state() is not None
    assert folder.state().run is None


def test_a_damaged_schedule_is_said_once_and_the_others_are_looked_after(tmp_path: Path) -> None:
    storage = Storage.open(str(tmp_path))
    folder = add(storage, "good", "* * * * *", paused=True)
    bad = add(storage, "bad", "* * * * *", paused=True)
    bad.write(bad.STATE, b"{")
    with serving(tmp_path) as (server, _):
        until(folder, "skipped")
        server.send_signal(signal.SIGTERM)
        server.wait(20)
        assert server.stderr is not None
        said = server.stderr.read()
    assert said.count("state.json") == 1


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, address):
        port = address.rpartition(":")[2]
        command = [sys.executable, "-m", "runner.cli", "schedule", "serve", "--storage", str(tmp_path)]
        found = subprocess.run([*command, "--port", port], capture_output=True, text=True, check=False)
    assert found.returncode == 2
    assert f"--port {port}" in found.stderr
    assert "Traceback" not in found.stderr


def test_two_servers_run_a_tick_once(tmp_path: Path) -> None:
    folder = add(Storage.open(str(tmp_path)), "night", "* * * * *")
    with serving(tmp_path), serving(tmp_path):
        first = until(folder, "failed")  # its data are nowhere
        time.sleep(3)
    records = folder.history()[0]
    begun = [record.tick for record in records if record.event == "started"]
    assert len(begun) == len(set(begun))
    assert [record.event for record in records if record.tick == first.tick] == ["started", "failed"]


def test_a_record_is_json_for_people(tmp_path: Path) -> None:
    folder = add(Storage.open(str(tmp_path)), "night", "0 2 * * *", paused=True)
    folder.record(Record(dt.datetime.now(dt.UTC), "kept", "somebody", "why"))
    command = [sys.executable, "-m", "runner.cli", "schedule", "history", "night", "--json"]
    environment = os.environ | {"RECUR_STORAGE": str(tmp_path)}
    found = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert [(each["event"], each["reason"]) for each in json.loads(found.stdout)] == [("kept", "why")]


pytestmark = pytest.mark.slow
