"""Sweeps over several hosts, of which one dies, one is cut off for a while, and the head is lost."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster.hosts import Hosts
from tests.runner.command import JobWriter, Recur, journal

pytestmark = pytest.mark.slow

TRIALS, EPOCHS = 12, 100
LONG = ("--set", "train.early_stopping=null", "--set", "search.scheduler=none", "--wait", "100")


def drive(hosts: Hosts, host: int, head: int, recur: Recur, job: Path) -> subprocess.Popen[bytes]:
    """The sweep's driver on one of the hosts."""
    command = [sys.executable, "-m", "runner.cli", "run", job, "--storage", recur.storage, *LONG]
    return hosts.run(host, *command, "--address", hosts.address(head))


def events(recur: Recur, kind: str) -> list[dict[str, object]]:
    sweep = recur.storage / "small"
    return [e for e in journal(sweep) if e["event"] == kind] if (sweep / "spec.yaml").exists() else []


def all_train(recur: Recur) -> bool:
    """Whether each of three hosts has begun with its first trial; one that has not has nothing to lose."""
    return {"00000", "00001", "00002"} <= {event["trial"] for event in events(recur, "result")}


def wait_for(condition: Callable[[], bool], hosts: Hosts, seconds: float = 150) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, hosts.said()
        time.sleep(0.2)


def assert_each_once(recur: Recur) -> None:
    told = Counter((event["trial"], event["epoch"]) for event in events(recur, "result"))
    assert set(told.values()) == {1}
    assert len(told) == TRIALS * EPOCHS
    assert recur.json("status", recur.storage / "small")["trials"]["done"] == TRIALS


def test_a_host_dies_and_another_is_cut_off_and_comes_back(
    hosts: Hosts, recur: Recur, write_job: JobWriter
) -> None:
    job = write_job(recur.folder, trials=TRIALS, epochs=EPOCHS)
    nodes = [hosts.node(host, cpus=1) for host in (1, 2, 3)]
    wait_for(lambda: hosts.alive(1) == 3, hosts)
    driver = drive(hosts, 1, 1, recur, job)
    wait_for(lambda: all_train(recur), hosts)
    hosts.kill(2)
    hosts.cut(3)
    wait_for(lambda: hosts.alive(1) == 1, hosts)
    lost = len(events(recur, "lost"))
    assert lost >= 1
    hosts.heal(3)
    wait_for(lambda: hosts.alive(1) == 2, hosts)
    assert driver.wait(240) == 0, hosts.said()
    assert_each_once(recur)
    # Of the host that dies the sockets are closed, which is noticed before it counts as dead.
    assert {event["error"] for event in events(recur, "lost")} <= {
        "its node went away",
        "its worker went away",
    }
    assert "its node went away" in {event["error"] for event in events(recur, "lost")}
    for node in nodes:
        node.terminate()
    assert [node.wait(30) for node in (nodes[0], nodes[2])] == [0, 0], hosts.said()


def test_the_head_dies_and_the_sweep_goes_on_elsewhere_from_storage_alone(
    hosts: Hosts, recur: Recur, write_job: JobWriter
) -> None:
    """Its lease is another host's, which is silent from now on."""
    job = write_job(recur.folder, trials=TRIALS, epochs=EPOCHS)
    for host in (1, 2):
        hosts.node(host, cpus=1)
    wait_for(lambda: hosts.alive(1) == 2, hosts)
    drive(hosts, 1, 1, recur, job)
    wait_for(lambda: len(events(recur, "result")) > 60, hosts)
    before = {(event["trial"], event["epoch"]) for event in events(recur, "result")}
    hosts.kill(1)
    hosts.node(3, cpus=1, head=3)
    wait_for(lambda: hosts.alive(3) == 1, hosts)
    driver = drive(hosts, 3, 3, recur, job)
    assert driver.wait(240) == 0, hosts.said()
    assert_each_once(recur)
    assert before <= {(event["trial"], event["epoch"]) for event in events(recur, "result")}


def test_the_doctor_finds_what_differs_between_hosts(
    hosts: Hosts, recur: Recur, write_job: JobWriter
) -> None:
    """One host has another folder where the storage is."""
    job = write_job(recur.folder)
    recur.storage.mkdir()
    hosts.node(1, cpus=1)
    hosts.node(2, cpus=1, hides=recur.storage)
    wait_for(lambda: hosts.alive(1) == 2, hosts)
    command = [sys.executable, "-m", "runner.cli", "doctor", job, "--storage", recur.storage, "--nodes", "2"]
    asked = hosts.run(1, *command, "--address", hosts.address(1), "--json", stdout=subprocess.PIPE)
    said, _ = asked.communicate(timeout=240)
    assert asked.returncode == 1, hosts.said()
    found = json.loads(said)
    assert [node["name"] for node in found["nodes"] if node["facts"]] == [
        "host1 10.77.0.1",
        "host2 10.77.0.2",
    ]
    (other,) = found["problems"]
    assert other.startswith(f"host2 10.77.0.2: storage {recur.storage} is not the same here: what another ")
    assert list(recur.storage.iterdir()) == []
