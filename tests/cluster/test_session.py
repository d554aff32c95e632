"""Sessions against real Ray: ours and a joined one, what they leave behind, and what cannot be joined."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cluster import probe
from cluster.errors import ClusterError
from cluster.processes import command, descendants, wait_gone
from cluster.session import Node, Session, session
from tests.cluster.head import Head, free_ports, living

KILLED = """
import os, subprocess, sys, time
from pathlib import Path
from cluster.processes import descendants
from cluster.session import session
with session(cpus=1, temp=Path(sys.argv[1])):
    import ray
    @ray.remote
    class Busy:
        def spin(self, quick):
            if quick:
                subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while not quick:
                pass
    busy = Busy.remote()
    ray.get(busy.spin.remote(True))
    busy.spin.remote(False)
    print(*(process.pid for process in descendants(os.getpid())), flush=True)
    time.sleep(60)
"""


@pytest.fixture
def short() -> Iterator[Path]:
    """The folders of pytest itself are too long for Ray's sockets."""
    with tempfile.TemporaryDirectory(prefix="rs-", dir="/tmp") as folder:
        yield Path(folder)


def test_a_session_of_our_own_starts_works_and_leaves_nothing(short: Path) -> None:
    """Also when its block fails; the environment and the signal handlers are the caller's again."""
    import ray  # which sets a variable of its own when it is imported

    environment, handler = dict(os.environ), signal.getsignal(signal.SIGTERM)
    before = set(descendants(os.getpid()))
    with pytest.raises(RuntimeError, match="of the block"), session(cpus=2, temp=short) as ours:  # noqa: PT012
        look = ray.remote(
            lambda: [os.environ.get(name) for name in ("CUDA_VISIBLE_DEVICES", "RAY_AUTH_TOKEN")]
        )
        assert ray.get(look.remote()) == ["", None]
        assert (ours.nodes, ours.joined) == ((Node(ours.nodes[0].id, cpus=2, gpus=0),), False)
        assert signal.getsignal(signal.SIGTERM) == handler
        assert [path.name for path in short.iterdir()] == [
            Path(os.environ["RAY_AUTH_TOKEN_PATH"]).parent.name
        ]
        raise RuntimeError("of the block")
    assert set(descendants(os.getpid())) == before
    assert list(short.iterdir()) == []
    assert dict(os.environ) == environment


def test_nothing_of_a_session_outlives_a_killed_driver(short: Path) -> None:
    """Not even a worker that never looks up, nor what it started; the folder goes too."""
    with subprocess.Popen([sys.executable, "-c", KILLED, short], stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        family = living([int(pid) for pid in driver.stdout.readline().split()])
        missing, deadline = (
            ["raylet", "ray::Busy.spin", "ray::DashboardAgent", "sleep 60"],
            time.monotonic() + 30,
        )
        while missing and time.monotonic() < deadline:  # some are renamed, or started, a moment later
            family = living([process.pid for process in descendants(driver.pid)])
            names = " ".join(command(process.pid) for process in family)
            missing = [name for name in missing if name not in names]
        driver.kill()
    assert not missing
    assert wait_gone(family, 10) == []
    assert list(short.iterdir()) == []


@pytest.mark.parametrize("server", ["raylet", "gcs_server"])
def test_a_session_whose_ray_was_killed_does_not_live(
    short: Path, server: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with session(cpus=1, temp=short) as ours:
        assert ours.lives()
        (found, *_) = (p for p in descendants(os.getpid()) if f"/{server} " in command(p.pid)[:300])
        os.kill(found.pid, signal.SIGKILL)
        deadline = time.monotonic() + 10  # threads may outlast the first, which /proc shows
        while ours.lives() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not ours.lives()
    assert list(short.iterdir()) == []
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("address", ["given", "auto"])
def test_a_running_cluster_is_joined_and_left_running(
    head: Head, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", head.token)
    monkeypatch.setenv("RAY_ADDRESS", head.address)
    for _ in range(2):
        with session(address="auto" if address == "auto" else head.address) as joined:
            import ray

            nodes = (Node(joined.nodes[0].id, cpus=1, gpus=0),)
            known = Session(joined.address, nodes, joined=True, lives=joined.lives, now=joined.now)
            assert joined == known
            assert joined.lives()
            assert ray.get_runtime_context().namespace == "recur"


@pytest.mark.parametrize("token", ["f" * 64, ""])
def test_a_cluster_refuses_a_wrong_token_and_none(
    head: Head, token: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # the user's own token file is not meant
    monkeypatch.setenv("RAY_AUTH_TOKEN", token)
    expected = (
        f"{head.address}: the Ray cluster refuses the token; set RAY_AUTH_TOKEN to the one it started with"
    )
    assert refusal(head.address) == expected


def test_an_address_where_nothing_listens() -> None:
    address = f"127.0.0.1:{free_ports(1)[0]}"
    hint = "nothing listens there; check the address and that the cluster is up"
    assert refusal(address) == f"the Ray cluster at {address} cannot be reached: {hint}"


@pytest.mark.parametrize("kind", ["silent", "web"])
def test_an_address_where_something_else_listens(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "JOIN_SECONDS", 3.0)
    with silent() if kind == "silent" else web() as port:
        begun = time.monotonic()
        sentence = refusal(f"127.0.0.1:{port}")
        assert time.monotonic() - begun < 6
    expected = (
        "something listens there, but no Ray cluster answers; give the head's own port (6379 unless changed)"
    )
    assert sentence == f"127.0.0.1:{port}: {expected}"


@pytest.mark.parametrize("address", ["", "head", "head:", ":6379", "head:http", "head:0", "head:70000"])
def test_an_address_that_is_none(address: str) -> None:
    assert (
        refusal(address) == f"{address}: a cluster's address is auto or host:port, for example 10.0.0.5:6379"
    )


def refusal(address: str) -> str:
    with pytest.raises(ClusterError) as caught, session(address=address):
        pass
    return str(caught.value)


@contextmanager
def silent() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@contextmanager
def web() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        server.RequestHandlerClass.log_message = lambda *_: None  # type: ignore[method-assign]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()
