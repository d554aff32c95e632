"""Who is running a sweep, or has something else to himself: one process at a time, and a dead one shows."""

from __future__ import annotations

import fcntl
import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from cluster.errors import ClusterError
from cluster.files import refusing
from cluster.folder import Folder
from cluster.patience import SWEEP_SECONDS, Patience

AT = "journal/owner"  # where a sweep's lies
OWN_FILES = frozenset({"owner.json", "owner.lock"})  # beside a journal's
_STALE = 60.0  # seconds without a sign of life after which a holder on another host counts as dead
_LOOK_SECONDS = 1.0  # between two looks at whether a sign of life is due
_WATCH_SECONDS = 25.0  # a holder that was cut off shows itself within, once its storage answers
_TURN_SECONDS = 0.05  # between two tries at a lease that others have for a moment
_FIND_TRIES = 5  # at a sign of life that one holder takes away and the next puts there, each time meanwhile
_SURE_SECONDS = 1.0  # after which two that signed at the same instant both see who was second

Place = TypeVar("Place", bound=Folder)


class LeaseTakenError(ClusterError):
    """Another process holds the lease, and is alive."""


class LeaseLostError(ClusterError):
    """The sweep is no longer this process's: it was silent for so long that another took it over."""


class Lease(Generic[Place]):
    """The right to write a sweep, or whatever else, held by this process from ``take`` to ``release``.

    Attributes:
        folder: the sweep's, for the holder: it outlives minutes without storage, and after a silence in which
            another may have taken the sweep over nothing is changed in it unless the lease is still held.
    """

    def __init__(self, folder: Place, at: str = AT, subject: str | None = None) -> None:
        """For the sweep of that ``folder``.

        Args:
            folder: any; a sweep's by default.
            at: path in it of the holder's sign of life, without its suffix; each is a lease of its own.
            subject: what "is being run" by the holder, where it is not the sweep of the folder's name.
        """
        self.folder = folder.patient(Patience(SWEEP_SECONDS, guard=self._confirm))
        self._asked = _Mark(folder, at, subject)
        self._plain = replace(self._asked, folder=folder.patient(Patience(0.0)))
        self._own = _this_process()  # a host may change its name later
        self._renewed = 0.0

    def take(self, outdated: Sequence[str] = (), *, sure: bool = False) -> None:
        """Become the sweep's one writer.

        Files that are ``outdated`` by that go first: what others put there when they see the holder stays.
        An object store has no lock, and of two processes that ask it at the same instant both may be told
        that nobody is there; to be ``sure`` takes a second more there, and leaves one of them.

        Raises:
            LeaseTakenError: another process that is alive holds it.
            ClusterError: the storage does not answer.
        """
        mark = self._asked
        mark.watch()
        with mark.one_at_a_time():
            holder = mark.holder()
            if holder is not None:
                raise mark.taken(holder)
            for file in outdated:
                mark.folder.delete(file)
            self._sign(mark)
        if sure and mark.folder.storage.local is None:
            time.sleep(_SURE_SECONDS)
            owner = mark.find()
            if owner is not None and not self._is_own(owner):
                raise mark.taken(_who(owner))

    def renew(self) -> None:
        """Show that the holder lives; call it at least every few seconds.

        Raises:
            LeaseLostError: it lives no more as the holder, see ``check``.
            ClusterError: the storage cannot be read or written at the moment.
        """
        if time.time() - self._renewed < _STALE / 6:
            return
        with self._plain.one_at_a_time():
            self.check()
            self._sign(self._plain)

    def check(self) -> None:
        """See that this process is still the holder.

        Raises:
            LeaseLostError: another is, or was meanwhile, for only a holder takes the sign of life away.
            ClusterError: the storage cannot be read at the moment.
        """
        mark = self._plain
        if not mark.folder.exists(mark.file):
            what = mark.subject or "this sweep"
            raise LeaseLostError(
                f"{mark.folder.inside(mark.file)} is gone: another process took {what} over, or it was "
                "removed; this one writes nothing more"
            )
        owner = mark.read()
        if not self._is_own(owner):
            raise LeaseLostError(
                f"{mark.name} was taken over by process {owner.get('pid')} on "
                f"{owner.get('host')} while this one was silent; this one writes nothing more"
            )

    def _is_own(self, owner: dict[str, Any]) -> bool:
        return all(owner.get(key) == value for key, value in self._own.items())

    def _confirm(self) -> None:
        """The same, where the last sign of life is so old that others may wait no longer for the next."""
        if time.time() - self._renewed > _STALE / 2:
            self.check()

    def _sign(self, mark: _Mark) -> None:
        now = time.time()
        mark.folder.write_json(mark.file, self._own | {"time": now})
        self._renewed = now

    def release(self) -> None:
        """Let the next one have it; without a word where it is lost, or the storage is away."""
        with suppress(ClusterError):
            self.check()
            self._plain.folder.delete(self._plain.file)


@contextmanager
def holding(
    folder: Place,
    outdated: Sequence[str] = (),
    *,
    at: str = AT,
    subject: str | None = None,
    sure: bool = False,
    wait: float = 0.0,
) -> Iterator[Lease[Place]]:
    """Holds the lease around some work on a sweep, however long it takes; see ``Lease`` and ``Lease.take``.

    A holder who only has it for a moment is waited for, so many seconds at most.

    Raises:
        ClusterError: as ``Lease.take``.
    """
    lease, done = Lease(folder, at, subject), threading.Event()
    _take_once_free(lease, outdated, sure=sure, deadline=time.monotonic() + wait)
    thread = threading.Thread(target=_renew_until, args=(lease, done), name="lease", daemon=True)
    thread.start()
    try:
        yield lease
    finally:
        done.set()
        thread.join()
        lease.release()


def _take_once_free(lease: Lease[Any], outdated: Sequence[str], *, sure: bool, deadline: float) -> None:
    while True:
        try:
            lease.take(outdated, sure=sure)
        except LeaseTakenError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_TURN_SECONDS)
        else:
            return


def _renew_until(lease: Lease[Any], done: threading.Event) -> None:
    while not done.wait(_LOOK_SECONDS):
        with suppress(ClusterError):  # whoever does the work checks
            lease.renew()


def lease_holder(folder: Folder, at: str = AT) -> str | None:
    """Who is running the sweep now, in words; None when nobody is.

    Raises:
        ClusterError: that cannot be read.
    """
    return _Mark(folder, at).holder()


@dataclass(frozen=True)
class _Mark:
    """A holder's sign of life in a folder; attributes as ``Lease`` is given them."""

    folder: Folder
    at: str
    subject: str | None = None

    @property
    def file(self) -> str:
        return f"{self.at}.json"

    @property
    def name(self) -> str:
        return self.subject or f"sweep {self.folder.name}"

    def taken(self, holder: str) -> LeaseTakenError:
        what_else = "or stop it" if self.subject else "stop it, or choose another --name"
        return LeaseTakenError(f"{self.name} is being run by {holder}; wait for it, {what_else}")

    @contextmanager
    def one_at_a_time(self) -> Iterator[None]:
        """Of two processes that look and then write at the same instant, the second sees the first."""
        if self.folder.storage.local is None:
            yield  # an object store has no locks
            return
        file = f"{self.at}.lock"
        with os.fdopen(self.folder.open_local(file, os.O_WRONLY), "wb") as lock:
            with refusing(f"{self.folder.inside(file)}: cannot be written"):
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def holder(self) -> str | None:
        owner = self.find()
        if owner is None:
            return None
        if owner["host"] == socket.gethostname():
            alive = _started(owner["pid"]) == owner["started"] is not None
        else:
            alive = time.time() - owner["time"] < _STALE
        return _who(owner) if alive else None

    def watch(self) -> None:
        """See that a holder on another host that seems dead is not merely cut off, nor its clock wrong.

        Raises:
            LeaseTakenError: it gives a sign of life.
        """
        first = self.find()
        if first is None or first["host"] == socket.gethostname() or self.holder() is not None:
            return
        if time.time() - first["time"] > SWEEP_SECONDS + _STALE:
            return  # it would have given up
        deadline = time.monotonic() + _WATCH_SECONDS
        while time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
            if (now := self.find()) is not None and now != first:
                raise self.taken(_who(now))

    def find(self, tries: int = _FIND_TRIES) -> dict[str, Any] | None:
        """The last sign of life; None where there is none."""
        try:
            return self.read()
        except ClusterError:
            if not self.folder.exists(self.file):
                return None  # or it was taken away a moment ago
            if tries == 1:
                raise
        return self.find(tries - 1)  # it may be the next holder's, put there since

    def read(self) -> dict[str, Any]:
        owner = self.folder.read_json(self.file)
        kinds = {"host": str, "pid": int, "started": int | None, "time": int | float}
        if not isinstance(owner, dict) or not all(
            isinstance(owner.get(key), kind) for key, kind in kinds.items()
        ):
            raise ClusterError(
                f"{self.folder.inside(self.file)} does not say who runs {self.subject or 'the sweep'}, as "
                "Recur writes it there; delete it if nobody does"
            )
        return owner


def _who(owner: dict[str, Any]) -> str:
    return f"process {owner['pid']} on {owner['host']}"


def _this_process() -> dict[str, Any]:
    pid = os.getpid()
    return {"host": socket.gethostname(), "pid": pid, "started": _started(pid)}


def _started(pid: int) -> int | None:
    """When a process of this machine started, in clock ticks since boot; None where there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])
