"""Memory of processes and of this node."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_CGROUPS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def private_bytes(pid: int) -> int:
    """What a process has in memory, without pages of mapped files; 0 where the system does not say."""
    with suppress(OSError, ValueError, IndexError):
        resident, shared = Path(f"/proc/{pid}/statm").read_text().split()[1:3]
        return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")
    return 0


def oom_kills() -> int:
    """Processes that the system has killed for want of memory, of this node's or of a container's, so far."""
    with suppress(OSError, ValueError):
        lines = Path("/proc/vmstat").read_text().splitlines()
        return sum(int(count) for name, count in map(str.split, lines) if name == "oom_kill")
    return 0


def node_bytes() -> int:
    """Memory of this node, or of the container that we are in if that has less."""
    most = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in _CGROUPS:
        with suppress(OSError, ValueError):  # absent, or "max"
            most = min(most, int(path.read_text()))
    return most
