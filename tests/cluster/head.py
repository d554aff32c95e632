"""A real Ray head with token authentication, on ports of its own, gone without a trace at the end."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from cluster.processes import Process, descendants, find, kill, wait_gone

PORTS = (
    "port",
    "dashboard-port",
    "ray-client-server-port",
    "dashboard-agent-listen-port",
    "dashboard-agent-grpc-port",
    "runtime-env-agent-port",
    "metrics-export-port",
    "node-manager-port",
    "object-manager-port",
)


@dataclass(frozen=True)
class Head:
    address: str
    dashboard: str
    token: str


@pytest.fixture(scope="session")
def head() -> Iterator[Head]:
    """One CPU, its Jobs API, its token."""
    with running_head("token") as started:
        yield started


@contextmanager
def running_head(mode: str) -> Iterator[Head]:
    """The same for a block; without ``token`` it lets everybody in."""
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    started = Head(
        f"127.0.0.1:{ports['port']}", f"http://127.0.0.1:{ports['dashboard-port']}", secrets.token_hex(32)
    )
    folder = Path(tempfile.mkdtemp(prefix="rt-", dir="/tmp"))  # Ray's socket names need a short one
    process = _start(folder, ports, started.token, mode)
    try:
        _wait_until_up(process, started, folder)
        yield started
    finally:
        family = [*descendants(process.pid), Process(process.pid, "")]
        process.kill()
        process.wait()
        kill(family)
        left = wait_gone(family, 10)
        shutil.rmtree(folder, ignore_errors=True)
    assert left == []


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for opened in sockets:
            opened.bind(("", 0))
        return [opened.getsockname()[1] for opened in sockets]


def living(pids: list[int]) -> list[Process]:
    return [process for process in map(find, pids) if process]


def _start(folder: Path, ports: dict[str, int], token: str, mode: str) -> subprocess.Popen[bytes]:
    options = [f"--{name}={port}" for name, port in ports.items()]
    limits = ["--num-cpus=1", "--num-gpus=0", "--object-store-memory=100000000", "--disable-usage-stats"]
    where = ["--include-dashboard=true", "--dashboard-host=127.0.0.1", f"--temp-dir={folder}"]
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with (folder / "head.log").open("wb") as log:
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "ray.scripts.scripts",
                "start",
                "--head",
                "--block",
                *options,
                *limits,
                *where,
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | {"RAY_AUTH_MODE": mode, "RAY_AUTH_TOKEN": token, "PATH": programs},
            start_new_session=True,
        )


def _wait_until_up(process: subprocess.Popen[bytes], head: Head, folder: Path) -> None:
    asked = urllib.request.Request(  # noqa: S310 - http
        f"{head.dashboard}/api/version", headers={"Authorization": f"Bearer {head.token}"}
    )
    for _ in range(400):
        assert process.poll() is None, (folder / "head.log").read_text()
        try:
            urllib.request.urlopen(asked, timeout=5).close()  # noqa: S310 - http
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("the Ray head did not come up:\n" + (folder / "head.log").read_text())
