"""Wall and processor time of a command with every process it starts, those that outlive their parents too."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PROC = Path("/proc")
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
EVERY = 0.25  # seconds between two looks at the process table
PATIENCE = 30.0  # seconds that a command's daemons are given to end after it


@dataclass(frozen=True)
class Usage:
    """What a command took; the last two are sampled, and None and 0 where there is no /proc.

    ``peak`` is of its first process's resident memory, in bytes.
    """

    returncode: int
    seconds: float
    cpu_seconds: float | None
    peak: int = 0


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent dies, so that they can be counted and waited for.

    Ray's workers end after the daemon that started them.  Elsewhere than on Linux this does nothing.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def timed(
    command: list[str],
    *,
    env: Mapping[str, str],
    stdout: IO[str],
    stderr: IO[str],
    every: float = EVERY,
    look: Callable[[], None] = lambda: None,
) -> Usage:
    """Run a command to its end, calling ``look`` meanwhile, with ``every`` as many seconds in between.

    Then waits, outside the measured time, until nothing it started is left, so that the next command has the
    machine to itself.
    """
    ticks: dict[tuple[int, str], int] = {}
    peak = 0
    start = time.perf_counter()
    process = subprocess.Popen(command, env=env, stdout=stdout, stderr=stderr)
    while process.returncode is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(every)
        ticks.update(_ticks_of_descendants())
        peak = max(peak, _resident(process.pid))
        look()
    seconds = time.perf_counter() - start
    _outlast_daemons(ticks)
    cpu = sum(ticks.values()) / os.sysconf("SC_CLK_TCK") if ticks else None
    return Usage(process.returncode, seconds, cpu, peak)


def _resident(pid: int) -> int:
    with contextlib.suppress(OSError, IndexError, ValueError):
        return int((PROC / str(pid) / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _outlast_daemons(ticks: dict[tuple[int, str], int]) -> None:
    deadline = time.monotonic() + PATIENCE
    while left := dict(_ticks_of_descendants()):
        ticks.update(left)
        with contextlib.suppress(ChildProcessError):  # the ones adopted are not our children yet
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        if time.monotonic() > deadline:
            pids = ", ".join(str(pid) for pid, _ in left)
            print(f"still there {PATIENCE:.0f} s after the command ended: {pids}", file=sys.stderr)
            return
        time.sleep(EVERY)


def pids_of_descendants() -> list[int]:
    """The ids of all the processes that this one started, and that those started."""
    return [pid for (pid, _), _ in _ticks_of_descendants()]


def _ticks_of_descendants() -> Iterator[tuple[tuple[int, str], int]]:
    """Clock ticks used so far by every descendant of this process, by its id and start time."""
    table = dict(_process_table())
    for pid, (_, started, ticks) in table.items():
        ancestor = pid
        while ancestor in table and ancestor != os.getpid():
            ancestor = table[ancestor][0]
        if ancestor == os.getpid() != pid:
            yield (pid, started), ticks


def _process_table() -> Iterator[tuple[int, tuple[int, str, int]]]:
    """Each process's parent, start time and clock ticks; fields 4, 22 and 14 + 15 of proc(5)'s stat."""
    for folder in PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended while we looked
            fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
            yield int(folder.name), (int(fields[1]), fields[19], int(fields[11]) + int(fields[12]))
