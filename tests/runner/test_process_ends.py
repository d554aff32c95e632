"""Real training processes go when they should, with all that they started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.processes import Process, descendants, find, wait_gone
from runner.process import WorkerProcess
from tests.runner.bench import PATIENCE, Bench, Orders

TORN = """
import os, signal, sys
sys.stdout.write('{"say": "heartbeat"}\\n{"say": "repo')
sys.stdout.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""
OWNER = """
import json, sys, time
from runner.process import WorkerProcess
worker = WorkerProcess(backend="tensorflow", threads=1)
print(worker._process.pid, flush=True)
worker.send(json.loads(sys.argv[1]))
while (said := worker.receive()["say"]) == "heartbeat":
    pass
print(said, flush=True)
time.sleep(60)
"""


@pytest.fixture
def cold() -> Iterator[WorkerProcess]:
    """A process that is still importing Keras."""
    worker = WorkerProcess(backend="tensorflow", threads=1)
    yield worker
    worker.close(0)


def family(worker: WorkerProcess) -> list[Process]:
    own = find(worker._process.pid)
    assert own is not None
    return [own, *descendants(own.pid)]


def readers_alive() -> set[threading.Thread]:
    """The threads of this process that listen to workers."""
    return {thread for thread in threading.enumerate() if thread.name.endswith("(_read)")}


def test_nothing_said_in_time_is_nothing(cold: WorkerProcess) -> None:
    assert cold.receive(0.05) is None
    assert cold.alive


def test_a_killed_process_says_that_it_died(cold: WorkerProcess) -> None:
    cold._process.kill()

    assert cold.receive(PATIENCE) == {
        "say": "died",
        "error": "the training process was killed by signal 9",
    }
    assert not cold.alive
    cold.send({"do": "leave"})  # nobody hears it, and it is no error


def test_one_that_is_killed_in_the_middle_of_a_word_says_that_it_died(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torn.py").write_text(TORN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(WorkerProcess, "module", "torn")

    worker = WorkerProcess(backend="tensorflow", threads=1)

    assert worker.receive(PATIENCE) == {"say": "heartbeat"}
    assert worker.receive(PATIENCE) == {
        "say": "died",
        "error": "the training process was killed by signal 9",
    }
    worker.close()


def test_closing_ends_it_with_all_that_it_started(cold: WorkerProcess, tmp_path: Path) -> None:
    """In the middle of an epoch, too."""
    bench = Bench(tmp_path, cold)
    cold.send(bench.order("00000", epochs=400))
    assert bench.hear()["say"] == "report"
    processes = family(cold)
    readers = readers_alive()

    began = time.monotonic()
    cold.close()

    assert time.monotonic() - began < 5
    assert wait_gone(processes, 1) == []
    assert not cold.alive
    deadline = time.monotonic() + 5
    while readers_alive() == readers and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(readers_alive()) < len(readers)


def test_it_is_gone_soon_after_its_owner_was_killed(tmp_path: Path) -> None:
    order = json.dumps(Orders(tmp_path).order("00008", epochs=400))
    with subprocess.Popen([sys.executable, "-c", OWNER, order], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        worker = find(int(owner.stdout.readline()))
        assert owner.stdout.readline() == "report\n"
        assert worker is not None
        processes = [worker, *descendants(worker.pid)]
        owner.kill()
        owner.wait()

        assert wait_gone(processes, 5) == []


def test_a_process_that_the_system_killed_for_want_of_memory_says_so(
    cold: WorkerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.process.oom_kills", lambda: 1 << 40)

    cold._process.kill()

    assert cold.receive(PATIENCE) == {
        "say": "died",
        "error": "the training process was killed by signal 9, as the system does for want of memory",
        "exhausted": True,
    }
