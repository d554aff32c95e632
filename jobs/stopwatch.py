"""Seconds by what they were spent on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def clocked(seconds: dict[str, float], kind: str) -> Iterator[None]:
    """Add what is done inside to the seconds of that kind."""
    began = time.perf_counter()
    try:
        yield
    finally:
        seconds[kind] = seconds.get(kind, 0.0) + time.perf_counter() - began
