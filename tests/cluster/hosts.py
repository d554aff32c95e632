"""Several hosts on this machine: network namespaces, and a wire between them that can be cut."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.head import free_ports

_PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
_IP, _NSENTER = (shutil.which(name, path=_PATH) or name for name in ("ip", "nsenter"))
PORT = free_ports(1)[0]  # of the head: any, since its host is its own


@dataclass
class Hosts:
    """``count`` hosts, numbered from 1, each with an address and a cache of its own.

    Attributes:
        folder: what all of them see.
    """

    count: int
    folder: Path
    token: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)
    prefix: str = field(default_factory=lambda: f"rt{os.getpid()}-")
    wire: subprocess.Popen[str] = field(init=False)
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def address(self, head: int = 1) -> str:
        """Where the head listens, if it is on that host."""
        return f"{self.ip(head)}:{PORT}"

    def ip(self, host: int) -> str:
        return f"10.77.0.{host}"

    def start(self) -> None:
        for host in range(1, self.count + 1):
            name = self._name(host)
            self._ip("netns", "add", name)
            self._ip("-n", name, "tuntap", "add", "dev", "eth0", "mode", "tun")
            self._ip("-n", name, "address", "add", f"{self.ip(host)}/24", "dev", "eth0")
            for device in ("eth0", "lo"):
                self._ip("-n", name, "link", "set", device, "up")
        self.wire = subprocess.Popen(
            [sys.executable, "-m", "tests.cluster.wire", self.prefix, str(self.count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        assert self.wire.stdout is not None
        assert self.wire.stdout.readline() == "up\n"

    def cut(self, host: int) -> None:
        """Its packets go nowhere, and nobody is told."""
        self._tell(f"cut {host}")

    def heal(self, host: int) -> None:
        self._tell(f"heal {host}")

    def slow(self, host: int, seconds: float, share: float) -> None:
        """Its packets come late, and a share of them never."""
        self._tell(f"slow {host} {seconds} {share}")

    def _tell(self, command: str) -> None:
        assert self.wire.stdin is not None
        self.wire.stdin.write(command + "\n")

    def node(self, host: int, cpus: int, head: int = 1, hides: Path | None = None) -> subprocess.Popen[bytes]:
        """Keeps a node of the cluster on a host; there an empty folder ``hides`` one that the others see."""
        role = "head" if host == head else "join"
        temp = self.folder / f"h{host}"
        where = [
            f"--address={self.address(head)}",
            f"--ip={self.ip(host)}",
            f"--cpus={cpus}",
            f"--temp={temp}",
        ]
        return self.run(host, sys.executable, "-m", "cluster.node", role, *where, hides=hides)

    def run(
        self, host: int, *command: str | Path, hides: Path | None = None, **options: Any
    ) -> subprocess.Popen[bytes]:
        """A command on a host, which sees no other host's cache."""
        hidden = self.folder / "cache"
        another = f"mount -t tmpfs none '{hides}' && " if hides else ""
        own = f'hostname host{host} && {another}mount -t tmpfs none "$0" && exec "$@"'
        script = ["unshare", "--uts", "--mount", "sh", "-c", own, str(hidden), *map(str, command)]
        log = (self.folder / f"{host}.log").open("ab") if "stdout" not in options else None
        try:
            started = subprocess.Popen(
                # Not by "ip netns exec", whose /sys lacks the control groups, without which no slurmd starts.
                [_NSENTER, f"--net=/run/netns/{self._name(host)}", *script],
                stdin=subprocess.DEVNULL,
                env=self.environment(),
                start_new_session=True,
                **({"stdout": log, "stderr": log} | options),
            )
        finally:
            if log is not None:
                log.close()
        self.started.append(started)
        return started

    def alive(self, head: int) -> int:
        """Nodes that the cluster counts as alive."""
        code = (
            "import sys; from cluster.session import session\n"
            "with session(address=sys.argv[1]) as joined: print(len(joined.nodes))"
        )
        asked = self.run(head, sys.executable, "-c", code, self.address(head), stdout=subprocess.PIPE)
        return int(asked.communicate(timeout=60)[0] or 0)

    def said(self) -> str:
        """The end of what each host's processes have printed."""
        return "\n".join(path.read_text(errors="replace")[-3000:] for path in self.folder.glob("*.log"))

    def environment(self) -> dict[str, str]:
        return os.environ | {
            "PATH": _PATH,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.token,
            "XDG_CACHE_HOME": str(self.folder / "cache"),
        }

    def kill(self, host: int) -> None:
        """Its power fails."""
        for _ in range(50):
            found = subprocess.run(
                [_IP, "netns", "pids", self._name(host)],
                check=True,
                capture_output=True,
                env={"PATH": _PATH},
            ).stdout.split()
            if not found:
                return
            for pid in map(int, found):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)
        raise AssertionError(f"{found} cannot be killed")

    def close(self) -> None:
        for host in range(1, self.count + 1):
            with suppress(subprocess.CalledProcessError):
                self.kill(host)
        for process in self.started:
            process.wait(10)
        with self.wire:  # closes its input, at which it ends
            pass
        for host in range(1, self.count + 1):
            with suppress(subprocess.CalledProcessError):
                self._ip("netns", "delete", self._name(host))

    def _name(self, host: int) -> str:
        return f"{self.prefix}{host}"

    def _ip(self, *words: str) -> None:
        subprocess.run([_IP, *words], check=True, capture_output=True, env={"PATH": _PATH})


@contextmanager
def opened(count: int) -> Iterator[Hosts]:
    """So many hosts for the length of a block, and nothing left of them afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="rh-", dir="/tmp"))  # Ray's socket names need a short one
    hosts = Hosts(count, folder)
    (folder / "cache").mkdir()
    try:
        hosts.start()
        yield hosts
    finally:
        hosts.close()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    """Three of them."""
    if os.geteuid() != 0 or shutil.which("ip", path=_PATH) is None:
        assert not os.environ.get("CI"), "needs root and iproute2; .ci/packages installs that"
        pytest.skip("needs root, for network namespaces, and iproute2")
    with opened(3) as found:
        yield found
