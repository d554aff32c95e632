"""Who is running a sweep: one process at a time, and a dead one is seen to be dead."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster.errors import ClusterError
from cluster.storage import SweepFolder

_FILE = "journal/owner.json"
_LOCK = "journal/owner.lock"
_STALE = 60.0  # seconds without a sign of life after which a holder on another host counts as dead


class Lease:
    """The right to write a sweep, held by this process from ``take`` to ``release``."""

    def __init__(self, folder: SweepFolder) -> None:
        self._folder = folder
        self._renewed = 0.0

    def take(self) -> None:
        """Become the sweep's one writer.

        Raises:
            ClusterError: another process that is alive holds it.
        """
        with _one_at_a_time(self._folder):
            holder = lease_holder(self._folder)
            if holder is not None:
                raise ClusterError(
                    f"sweep {self._folder.name} is being run by {holder}; "
                    "wait for it, stop it, or choose another --name"
                )
            self.renew()

    def renew(self) -> None:
        """Show that the holder lives; call it at least every few seconds."""
        now = time.time()
        if now - self._renewed < _STALE / 6:
            return
        pid = os.getpid()
        self._folder.write_json(
            _FILE, {"host": socket.gethostname(), "pid": pid, "started": _started(pid), "time": now}
        )
        self._renewed = now

    def release(self) -> None:
        """Let the next one have it."""
        self._folder.delete(_FILE)


@contextmanager
def _one_at_a_time(folder: SweepFolder) -> Iterator[None]:
    """Of two processes that look and then write at the same instant, the second sees the first."""
    if folder.storage.local is None:
        yield  # an object store has no locks
        return
    path = Path(folder.path(_LOCK))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def lease_holder(folder: SweepFolder) -> str | None:
    """Who is running the sweep now, in words; None when nobody is."""
    try:
        owner = folder.read_json(_FILE)
    except ClusterError:
        return None  # nobody, or released a moment ago
    who = f"process {owner['pid']} on {owner['host']}"
    if owner["host"] == socket.gethostname():
        alive = _started(owner["pid"]) == owner["started"] is not None
    else:
        alive = time.time() - owner["time"] < _STALE
    return who if alive else None


def _started(pid: int) -> int | None:
    """When a process of this machine started, in clock ticks since boot; None where there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])
