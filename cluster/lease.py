"""Who is running a sweep: one process at a time, and a dead one is seen to be dead."""

from __future__ import annotations

import fcntl
import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cluster.errors import ClusterError
from cluster.files import refusing
from cluster.patience import SWEEP_SECONDS, Patience
from cluster.storage import SweepFolder

_FILE = "journal/owner.json"
_LOCK = "journal/owner.lock"
OWN_FILES = frozenset({"owner.json", "owner.lock"})  # beside a journal's
_STALE = 60.0  # seconds without a sign of life after which a holder on another host counts as dead
_LOOK_SECONDS = 1.0  # between two looks at whether a sign of life is due
_WATCH_SECONDS = 25.0  # a holder that was cut off shows itself within, once its storage answers


class LeaseLostError(ClusterError):
    """The sweep is no longer this process's: it was silent for so long that another took it over."""


class Lease:
    """The right to write a sweep, held by this process from ``take`` to ``release``.

    Attributes:
        folder: the sweep's, for the holder: it outlives minutes without storage, and after a silence in which
            another may have taken the sweep over nothing is changed in it unless the lease is still held.
    """

    def __init__(self, folder: SweepFolder) -> None:
        """For the sweep of that ``folder``."""
        self.folder = folder.patient(Patience(SWEEP_SECONDS, guard=self._confirm))
        self._asked, self._plain = folder, folder.patient(Patience(0.0))
        self._own = _this_process()  # a host may change its name later
        self._renewed = 0.0

    def take(self, outdated: Sequence[str] = ()) -> None:
        """Become the sweep's one writer.

        Files that are ``outdated`` by that go first: what others put there when they see the holder stays.

        Raises:
            ClusterError: another process that is alive holds it, or the storage does not answer.
        """
        _watch(self._asked)
        with _one_at_a_time(self._asked):
            holder = lease_holder(self._asked)
            if holder is not None:
                raise ClusterError(
                    f"sweep {self.folder.name} is being run by {holder}; "
                    "wait for it, stop it, or choose another --name"
                )
            for file in outdated:
                self._asked.delete(file)
            self._sign(self._asked)

    def renew(self) -> None:
        """Show that the holder lives; call it at least every few seconds.

        Raises:
            LeaseLostError: it lives no more as the holder, see ``check``.
            ClusterError: the storage cannot be read or written at the moment.
        """
        if time.time() - self._renewed < _STALE / 6:
            return
        with _one_at_a_time(self._plain):
            self.check()
            self._sign(self._plain)

    def check(self) -> None:
        """See that this process is still the holder.

        Raises:
            LeaseLostError: another is, or was meanwhile, for only a holder takes the sign of life away.
            ClusterError: the storage cannot be read at the moment.
        """
        if not self._plain.exists(_FILE):
            raise LeaseLostError(
                f"{self.folder.inside(_FILE)} is gone: another process took this sweep over, or it was "
                "removed; this one writes nothing more"
            )
        owner = _read(self._plain)
        if any(owner.get(key) != value for key, value in self._own.items()):
            raise LeaseLostError(
                f"sweep {self.folder.name} was taken over by process {owner.get('pid')} on "
                f"{owner.get('host')} while this one was silent; this one writes nothing more"
            )

    def _confirm(self) -> None:
        """The same, where the last sign of life is so old that others may wait no longer for the next."""
        if time.time() - self._renewed > _STALE / 2:
            self.check()

    def _sign(self, folder: SweepFolder) -> None:
        now = time.time()
        folder.write_json(_FILE, self._own | {"time": now})
        self._renewed = now

    def release(self) -> None:
        """Let the next one have it; without a word where it is lost, or the storage is away."""
        with suppress(ClusterError):
            self.check()
            self._plain.delete(_FILE)


@contextmanager
def holding(folder: SweepFolder, outdated: Sequence[str] = ()) -> Iterator[Lease]:
    """Holds the lease around some work on a sweep, however long it takes; ``outdated`` as in ``Lease.take``.

    Raises:
        ClusterError: as ``Lease.take``.
    """
    lease, done = Lease(folder), threading.Event()
    lease.take(outdated)
    thread = threading.Thread(target=_renew_until, args=(lease, done), name="lease", daemon=True)
    thread.start()
    try:
        yield lease
    finally:
        done.set()
        thread.join()
        lease.release()


def _renew_until(lease: Lease, done: threading.Event) -> None:
    while not done.wait(_LOOK_SECONDS):
        with suppress(ClusterError):  # whoever does the work checks
            lease.renew()


def _this_process() -> dict[str, Any]:
    pid = os.getpid()
    return {"host": socket.gethostname(), "pid": pid, "started": _started(pid)}


@contextmanager
def _one_at_a_time(folder: SweepFolder) -> Iterator[None]:
    """Of two processes that look and then write at the same instant, the second sees the first."""
    if folder.storage.local is None:
        yield  # an object store has no locks
        return
    with os.fdopen(folder.open_local(_LOCK, os.O_WRONLY), "wb") as lock:
        with refusing(f"{folder.inside(_LOCK)}: cannot be written"):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def lease_holder(folder: SweepFolder) -> str | None:
    """Who is running the sweep now, in words; None when nobody is.

    Raises:
        ClusterError: that cannot be read.
    """
    owner = _find(folder)
    if owner is None:
        return None
    if owner["host"] == socket.gethostname():
        alive = _started(owner["pid"]) == owner["started"] is not None
    else:
        alive = time.time() - owner["time"] < _STALE
    return _who(owner) if alive else None


def _watch(folder: SweepFolder) -> None:
    """See that a holder on another host that seems dead is not merely cut off, nor its clock wrong.

    Raises:
        ClusterError: it gives a sign of life.
    """
    first = _find(folder)
    if first is None or first["host"] == socket.gethostname() or lease_holder(folder) is not None:
        return
    if time.time() - first["time"] > SWEEP_SECONDS + _STALE:
        return  # it would have given up
    deadline = time.monotonic() + _WATCH_SECONDS
    while time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
        if (now := _find(folder)) is not None and now != first:
            raise ClusterError(
                f"sweep {folder.name} is being run by {_who(now)}; "
                "wait for it, stop it, or choose another --name"
            )


def _who(owner: dict[str, Any]) -> str:
    return f"process {owner['pid']} on {owner['host']}"


def _find(folder: SweepFolder) -> dict[str, Any] | None:
    """The last sign of life; None where there is none."""
    try:
        return _read(folder)
    except ClusterError:
        if folder.exists(_FILE):
            raise  # else there is none, or it was taken away a moment ago
        return None


def _read(folder: SweepFolder) -> dict[str, Any]:
    owner = folder.read_json(_FILE)
    kinds = {"host": str, "pid": int, "started": int | None, "time": int | float}
    if not isinstance(owner, dict) or not all(
        isinstance(owner.get(key), kind) for key, kind in kinds.items()
    ):
        raise ClusterError(
            f"{folder.inside(_FILE)} does not say who runs the sweep, as Recur writes it there; delete it if "
            "nobody does"
        )
    return owner


def _started(pid: int) -> int | None:
    """When a process of this machine started, in clock ticks since boot; None where there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])
