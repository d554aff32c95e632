"""How much of a machine's memory a command's processes take together, nothing counted twice."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks._processes import PROC, pids_of_descendants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


@dataclass
class Peaks:
    """The most memory that was seen in each phase of a command, in bytes.

    Call it at short intervals.  Each call adds up the proportional set sizes of all descendants of this
    process: a page that several of them map is shared out among them, so that it counts once.  Pages of a
    mapped file count where some process has touched them; the page cache that nobody maps does not, as the
    kernel takes it back when it likes.  Shared memory counts whether or not it is
    mapped: what lies in ``temp`` and in the processes' open files, as far as that is a tmpfs.

    Attributes:
        phase: names the phase that the command is in.
        temp: the command's folder for temporary files.
        seen: phase to bytes.
    """

    phase: Callable[[], str]
    temp: Path
    seen: dict[str, int] = field(default_factory=dict)

    def __call__(self) -> None:
        """Look once."""
        phase = self.phase()
        self.seen[phase] = max(self.seen.get(phase, 0), node_bytes(pids_of_descendants(), self.temp))


def node_bytes(pids: Iterable[int], temp: Path) -> int:
    """What these processes take now, as in ``Peaks``."""
    pids = list(pids)
    private = mapped = 0
    for pid in pids:
        sizes = _rollup(pid)
        mapped += sizes.get("Pss_Shmem", 0)
        private += sizes.get("Pss", 0) - sizes.get("Pss_Shmem", 0)
    return private + max(mapped, _tmpfs_bytes(pids, temp))


def _rollup(pid: int) -> dict[str, int]:
    """Bytes by name; see proc(5), smaps_rollup."""
    with contextlib.suppress(OSError):  # it ended while we looked
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()[1:]
        return {
            name: int(size.split()[0]) * 1024 for name, _, size in (line.partition(":") for line in lines)
        }
    return {}


def _tmpfs_bytes(pids: Iterable[int], temp: Path) -> int:
    """Blocks of the tmpfs files in ``temp`` and of those that the processes have open, each file once."""
    devices = set(_tmpfs_devices())
    found = {}
    files = [Path(folder) / name for folder, _, names in os.walk(temp) for name in names]
    for path in (*files, *(open_file for pid in pids for open_file in _open_files(pid))):
        with contextlib.suppress(OSError):
            info = path.stat()
            if info.st_dev in devices:
                found[info.st_dev, info.st_ino] = info.st_blocks * 512
    return sum(found.values())


def _open_files(pid: int) -> list[Path]:
    with contextlib.suppress(OSError):
        return list((PROC / str(pid) / "fd").iterdir())
    return []


def _tmpfs_devices() -> Iterator[int]:
    """Devices of all tmpfs mounts and of the kernel's own, where memfd files lie."""
    for line in (PROC / "self" / "mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if after.split()[0] == "tmpfs":
            major, minor = before.split()[2].split(":")
            yield os.makedev(int(major), int(minor))
    memory = os.memfd_create("device")
    try:
        yield os.fstat(memory).st_dev
    finally:
        os.close(memory)
