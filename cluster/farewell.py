"""``python -m cluster.farewell SWEEP SECONDS``: has a sweep that runs in this pod save and leave."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from cluster.processes import Process, find, wait_gone


def drivers(sweep: str) -> list[Process]:
    """The processes of this machine that run ``recur run`` for a sweep."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError, UnicodeDecodeError):
            words = (entry / "cmdline").read_text().split("\0") if entry.name.isdecimal() else []
            pairs = set(pairwise(words))
            if "run" in words and ("--name", sweep) in pairs and (process := find(int(entry.name))):
                found.append(process)
    return found


def main(sweep: str, seconds: float) -> None:
    """SIGTERM to each, and wait for them."""
    found = drivers(sweep)
    for process in found:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGTERM)
    wait_gone(found, seconds)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
