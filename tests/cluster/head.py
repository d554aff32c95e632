"""A real Ray head with token authentication, on ports of its own, gone without a trace at the end."""

from __future__ import annotations

import json
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


# Of Ray's own stand-in for a cloud, whose nodes are raylets of this machine.
_FAKE_HEAD = "f" * 51 + "00000"
_FAKE_HEAD_GROUP = "ray.head.default"
_FAKE_CLOUD = {"use_node_id_as_ip": True, "disable_node_updaters": True, "disable_launch_config_check": True}
_COMMANDS = (  # none of which it has
    "initialization_commands",
    "setup_commands",
    "head_setup_commands",
    "worker_setup_commands",
    "head_start_ray_commands",
    "worker_start_ray_commands",
)


@contextmanager
def running_head(mode: str, *, grows: int = 0) -> Iterator[Head]:
    """The same for a block; without ``token`` it lets everybody in.

    One that ``grows`` has no CPU itself, and an autoscaler that starts so many nodes of one at most.
    """
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    started = Head(
        f"127.0.0.1:{ports['port']}", f"http://127.0.0.1:{ports['dashboard-port']}", secrets.token_hex(32)
    )
    folder = Path(tempfile.mkdtemp(prefix="rt-", dir="/tmp"))  # Ray's socket names need a short one
    process = _start(folder, ports, started.token, mode, grows)
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


def _autoscaling(folder: Path, port: int, most: int) -> tuple[list[str], dict[str, str]]:
    """The option and the variables by which a head has an autoscaler."""
    group = {"node_config": {}, "min_workers": 0}
    small = {"CPU": 1, "object_store_memory": 10**8}
    config = {
        "cluster_name": "fake",
        "max_workers": most,
        "idle_timeout_minutes": 0.2,
        "provider": {"type": "fake_multinode", "gcs_address": f"127.0.0.1:{port}", **_FAKE_CLOUD},
        "available_node_types": {
            _FAKE_HEAD_GROUP: group | {"resources": {"CPU": 0}, "max_workers": 0},
            "trials": group | {"resources": small, "max_workers": most},
        },
        "head_node_type": _FAKE_HEAD_GROUP,
        "auth": {},
        "file_mounts": {},
        "cluster_synced_files": [],
        "file_mounts_sync_continuously": False,
        **{key: [] for key in _COMMANDS},
    }
    (folder / "autoscaling.json").write_text(json.dumps(config))
    own = {"RAY_CLOUD_INSTANCE_ID": _FAKE_HEAD, "RAY_OVERRIDE_NODE_ID_FOR_TESTING": _FAKE_HEAD}
    fake = {"RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1"}
    return [f"--autoscaling-config={folder}/autoscaling.json"], own | fake | {
        "RAY_NODE_TYPE_NAME": _FAKE_HEAD_GROUP
    }


def _start(folder: Path, ports: dict[str, int], token: str, mode: str, grows: int) -> subprocess.Popen[bytes]:
    options = [f"--{name}={port}" for name, port in ports.items()]
    scaling, env = _autoscaling(folder, ports["port"], grows) if grows else ([], {})
    limits = [
        f"--num-cpus={0 if grows else 1}",
        *scaling,
        "--num-gpus=0",
        "--object-store-memory=100000000",
        "--disable-usage-stats",
    ]
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
            env=os.environ | env | {"RAY_AUTH_MODE": mode, "RAY_AUTH_TOKEN": token, "PATH": programs},
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
