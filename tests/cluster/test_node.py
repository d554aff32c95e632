"""Nodes that are kept, as real processes."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster.processes import Process, command, descendants, wait_gone
from cluster.session import session
from tests.cluster.head import free_ports


@pytest.fixture
def keep(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Starts a keeper in a role; all of them are gone at the end."""
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    port, started = free_ports(1)[0], list[subprocess.Popen[bytes]]()
    with tempfile.TemporaryDirectory(prefix="rn-", dir="/tmp") as folder:

        def keep(role: str) -> subprocess.Popen[bytes]:
            where = [f"--address=127.0.0.1:{port}", "--ip=127.0.0.1", f"--temp={folder}/{role}", "--cpus=1"]
            keeper = [sys.executable, "-m", "cluster.node", role, *where]
            process = subprocess.Popen(keeper, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            process.address, process.temp = f"127.0.0.1:{port}", Path(folder, role)  # type: ignore[attr-defined]
            started.append(process)
            return process

        yield keep
        for process in reversed(started):
            process.kill()
            process.wait()


def nodes(address: str) -> int:
    with session(address=address) as joined:
        return len(joined.nodes)


def raylet(keeper: subprocess.Popen[bytes]) -> Process:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for process in descendants(keeper.pid):
            if "raylet/raylet" in command(process.pid):
                return process
        time.sleep(0.2)
    raise AssertionError("no raylet has started")


def test_a_node_whose_raylet_dies_is_joined_again_and_all_end_without_a_trace(
    keep: Callable[[str], subprocess.Popen[bytes]],
) -> None:
    joining = keep("join")  # before there is a head: it waits for one
    head = keep("head")
    raylet(head)
    first = raylet(joining)
    os.kill(first.pid, signal.SIGKILL)
    assert wait_gone([first], 5) == []
    second = raylet(joining)
    assert second != first
    address = head.address  # type: ignore[attr-defined]
    deadline = time.monotonic() + 60
    while nodes(address) != 2:
        assert time.monotonic() < deadline
    family = [*descendants(head.pid, joining.pid)]
    joining.terminate()
    assert joining.wait(30) == 0
    head.terminate()
    assert head.wait(30) == 0
    assert wait_gone(family, 5) == []
    assert not joining.temp.exists()  # type: ignore[attr-defined]
    assert not head.temp.exists()  # type: ignore[attr-defined]


def test_a_head_that_dies_is_not_started_again(keep: Callable[[str], subprocess.Popen[bytes]]) -> None:
    """What it knew is lost; the sweep goes on from storage."""
    head = keep("head")
    os.kill(raylet(head).pid, signal.SIGKILL)
    assert head.wait(60) == 1
    assert not head.temp.exists()  # type: ignore[attr-defined]
