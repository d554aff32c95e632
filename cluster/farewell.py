"""What a pod does before it ends: the sweep whose driver runs in it saves, what trains in it has saved."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from cluster.processes import Process, find, wait_gone


def drivers(name: str) -> list[Process]:
    """The processes of this machine that run ``recur run`` or ``recur schedule run`` for this name."""
    return [process for number, words in _running() if _drives(name, words) and (process := find(number))]


def _drives(name: str, words: list[str]) -> bool:
    pairs = set(pairwise(words))
    by_schedule = {("schedule", "run"), ("run", name)} <= pairs
    return by_schedule or ("run" in words and ("--name", name) in pairs)


def end_driver(name: str, seconds: float) -> None:
    """SIGTERM to each driver of a sweep or schedule, and wait for them."""
    found = drivers(name)
    for process in found:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGTERM)
    wait_gone(found, seconds)


def wait_for_actors(seconds: float) -> None:
    """Wait until Ray has no work on this machine: the sweep's driver, on another, has its trials save."""
    deadline = time.monotonic() + seconds
    while any(_works(words[0]) for _, words in _running()) and time.monotonic() < deadline:
        time.sleep(0.2)


def _works(title: str) -> bool:
    """Whether a process with this title is an actor's or a task's; one that waits for either is not."""
    return title.startswith("ray::") and not title.startswith("ray::IDLE")


def _running() -> Iterator[tuple[int, list[str]]]:
    """Every process of this machine, and its command line."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError, UnicodeDecodeError):
                yield int(entry.name), (entry / "cmdline").read_text().split("\0")
