"""``python -m cluster.node head|join``: keeps a Ray node of a cluster that Recur starts running here.

A node that Ray has declared dead, because its link was cut for one, is joined again when it is back: its
raylet has ended by then, and this process starts another.  It ends with the head, or when it is told to, and
leaves neither processes nor files.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

from cluster.errors import ClusterError
from cluster.processes import Process, command, descendants, kill, users, wait_gone
from cluster.reach import check_reachable

# A node counts as dead after four unanswered questions, one every 2 s, each with 3 s for its answer.
DETECTION = {
    "RAY_health_check_initial_delay_ms": "5000",
    "RAY_health_check_period_ms": "2000",
    "RAY_health_check_timeout_ms": "3000",
    "RAY_health_check_failure_threshold": "4",
}
OBJECT_STORE_BYTES = 128 * 2**20  # no data goes through it
_AWAY_SECONDS = 120.0  # that a head may be out of reach before a node gives up
_PAUSE_SECONDS = 2.0
_STOP_SECONDS = 10.0
_RAYLET = "raylet/raylet"
_RAYS = ("/ray/core/src/ray/", "/ray/dashboard/", "/ray/_private/", "/ray/autoscaler/")


class Keeper:
    """Keeps one Ray node alive."""

    def __init__(self, address: str, *, head: bool, cpus: int | None, ip: str | None, temp: Path) -> None:
        """Of the cluster whose head is at ``address``; ``temp`` is this cluster's alone, and short."""
        self._address, self._head, self._temp = address, head, temp
        self._command = _start_command(address, head=head, cpus=cpus, ip=ip, temp=temp)
        self._ending = False

    def run(self) -> int:
        """Start the node, and again whenever it has ended, till the end.

        Returns:
            0 when it was told to end; 1 when the head is gone, or is this one and has died.
        """
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._end)
        try:
            while not self._ending and self._reachable():
                self._serve()
                if self._head:
                    break  # what the cluster knew is lost; the sweep goes on from storage alone
                self._pause(_PAUSE_SECONDS)
        finally:
            # Orphans of a raylet that has died; not who has joined, and is somebody's own process.
            kill(each for each in users(self._temp, but=os.getpid()) if _is_rays(each))
            shutil.rmtree(self._temp, ignore_errors=True)
        return 0 if self._ending else 1

    def _end(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._ending = True

    def _serve(self) -> None:
        """One life of the node."""
        with subprocess.Popen(  # noqa: S603 - Ray's own command line
            self._command,
            stdin=subprocess.DEVNULL,
            env=os.environ | DETECTION | {"RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0"},
            start_new_session=True,  # its signals come from us
        ) as node:
            seen = False
            while not self._ending and node.poll() is None:
                # Ray's command line takes no notice of a raylet that ends by itself, told of its own death.
                running = any(_RAYLET in command(each.pid) for each in descendants(node.pid))
                if seen and not running:
                    break
                seen = seen or running
                self._pause(1.0)
            family = descendants(node.pid)
            if node.poll() is None:
                node.terminate()  # Ray tells the head, and ends its servers
                with suppress(subprocess.TimeoutExpired):
                    node.wait(_STOP_SECONDS)
            node.kill()
            kill(wait_gone(family, 1.0))

    def _reachable(self) -> bool:
        """Whether there is a head to join, waiting for one."""
        if self._head:
            return True
        host, _, port = self._address.rpartition(":")
        deadline = time.monotonic() + _AWAY_SECONDS
        while not self._ending:
            with suppress(ClusterError):
                check_reachable(host, int(port), what="the head", hint="")
                return True
            if time.monotonic() > deadline:
                sys.stderr.write(f"the head at {self._address} is out of reach; this node ends\n")
                return False
            self._pause(_PAUSE_SECONDS)
        return False

    def _pause(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self._ending and time.monotonic() < deadline:
            time.sleep(0.05)


def _is_rays(process: Process) -> bool:
    """Whether it is one of Ray's own, or was started by one."""
    words = command(process.pid)
    if words.startswith("ray::") or any(part in words for part in _RAYS):
        return True
    with suppress(OSError):
        return b"RAY_RAYLET_PID=" in Path(f"/proc/{process.pid}/environ").read_bytes()
    return False


def _start_command(address: str, *, head: bool, cpus: int | None, ip: str | None, temp: Path) -> list[str]:
    own = [
        "--head",
        f"--port={address.rpartition(':')[2]}",
        f"--temp-dir={temp}",
        "--include-dashboard=false",
        "--no-monitor",  # which would see to it that the cluster grows
    ]
    return [
        *(sys.executable, "-P", "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats"),
        *(own if head else [f"--address={address}"]),
        *([f"--node-ip-address={ip}"] if ip else []),
        f"--num-cpus={_own_cores() if cpus is None else cpus}",
        f"--object-store-memory={OBJECT_STORE_BYTES}",
        "--dashboard-agent-listen-port=0",
        "--include-log-monitor=false",
    ]


def _own_cores() -> int:
    """What Slurm has given of this node, where it has started us; else all that this process may use."""
    given = os.environ.get("SLURM_CPUS_ON_NODE", "")
    return int(given) if given.isdecimal() else len(os.sched_getaffinity(0))


def main(arguments: Sequence[str]) -> int:
    """Keep a node as the arguments say, until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m cluster.node", description=__doc__)
    parser.add_argument("role", choices=["head", "join"])
    parser.add_argument("--address", required=True, help="host:port of the head")
    parser.add_argument("--cpus", type=int, help="cores that trials may take; by default all it was given")
    parser.add_argument("--ip", help="this node's address, if it has several")
    parser.add_argument("--temp", type=Path, required=True, help="a folder of this cluster's own, made here")
    given = parser.parse_args(arguments)
    role = given.role == "head"
    return Keeper(given.address, head=role, cpus=given.cpus, ip=given.ip, temp=given.temp).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
