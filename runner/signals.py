"""Signals while a sweep runs."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from runner.conductor import Conductor
from runner.stopping import StopRequest


@contextmanager
def stop_on_signals(conductor: Conductor, request: StopRequest) -> Iterator[None]:
    """Turn the first SIGINT or SIGTERM into a stop that saves; the second ends the process at once."""

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        if conductor.stopping:
            raise KeyboardInterrupt
        request.cut_off()
        conductor.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
