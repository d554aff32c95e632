"""Which processes live, by number and start time together: a number alone is used again (Linux's /proc)."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """One process of this machine; ``started`` is the boot and the tick, so nobody else is taken for it."""

    pid: int
    started: str

    def alive(self) -> bool:
        """Whether this very process still runs; a zombie does not."""
        return find(self.pid) == self


def find(pid: int) -> Process | None:
    """The process that has the number ``pid`` now; None when there is none or only its zombie."""
    found = _stat(pid)
    return found[0] if found else None


def descendants(*pids: int) -> list[Process]:
    """The living children of ``pids``, their children, and so on; none twice."""
    children: dict[int, list[Process]] = {}
    for entry in _PROC.iterdir():
        found = _stat(int(entry.name)) if entry.name.isdecimal() else None
        if found:
            children.setdefault(found[1], []).append(found[0])
    family = dict.fromkeys(child for pid in pids for child in children.get(pid, ()))
    queue = list(family)
    for member in queue:  # grows while it is walked
        new = [child for child in children.get(member.pid, ()) if child not in family]
        family.update(dict.fromkeys(new))
        queue.extend(new)
    return queue


def users(folder: Path, *, but: int) -> list[Process]:
    """Every process but one that has a file of ``folder`` open, or its path in the environment it got."""
    pids = (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal())
    found = (find(pid) for pid in pids if pid != but and _uses(_PROC / str(pid), str(folder)))
    return [process for process in found if process]


def _uses(entry: Path, folder: str) -> bool:
    try:
        if folder.encode() in (entry / "environ").read_bytes():
            return True
        # A process that writes its own title, as Ray's do, may have overwritten its environment.
        return any(str(link.readlink()).startswith(f"{folder}/") for link in (entry / "fd").iterdir())
    except OSError:
        return False  # it ended, or is somebody else's


def command(pid: int) -> str:
    """The command line of ``pid`` with spaces between its words; empty when it has ended."""
    try:
        text = (_PROC / str(pid) / "cmdline").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return text.replace("\0", " ")


def wait_gone(processes: Iterable[Process], seconds: float) -> list[Process]:
    """Wait until all have ended, at most ``seconds``; give back those that have not."""
    deadline = time.monotonic() + seconds
    left = [process for process in processes if process.alive()]
    while left and time.monotonic() < deadline:
        time.sleep(0.02)
        left = [process for process in left if process.alive()]
    return left


def kill(processes: Iterable[Process]) -> None:
    """SIGKILL to those that still live."""
    for process in processes:
        if process.alive():
            with suppress(ProcessLookupError):  # it ended in between
                os.kill(process.pid, signal.SIGKILL)


def _stat(pid: int) -> tuple[Process, int] | None:
    """The process and its parent's number."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name in brackets may hold spaces and brackets itself; what follows the last one is regular.
    state, parent, *rest = text.rpartition(")")[2].split()
    if state in {"Z", "X"}:
        return None
    return Process(pid, f"{_boot()}/{rest[17]}"), int(parent)


def _boot() -> str:
    return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
