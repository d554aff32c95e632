"""What ends a run's sweep from outside: its time limit, and a run that takes its place."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

from cluster.errors import ClusterError
from cluster.schedules import ScheduleFolder
from cluster.storage import SweepFolder

_LOOK_SECONDS = 2.0  # between two looks at whether the run is replaced


class Overseer:
    """Asks a sweep to stop when its time is over, or another run takes its place, until it has.

    Attributes:
        why: it was asked; None as long as it was not.
    """

    def __init__(self, folder: ScheduleFolder, sweep: SweepFolder, limit: float | None) -> None:
        """For a schedule's ``sweep`` that may take ``limit`` seconds; None for any time."""
        self._folder, self._sweep = folder.impatient(), sweep.impatient()
        self._limit = limit
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="overseer", daemon=True)
        self.why: str | None = None

    def __enter__(self) -> Self:
        """Begin to watch."""
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The sweep has ended."""
        self._done.set()
        self._thread.join()

    @property
    def replaced(self) -> bool:
        """Whether another run takes the place of this one."""
        with suppress(ClusterError):  # the next look may tell
            state = self._folder.state()
            return state is not None and state.run is not None and state.run.replaced
        return False

    def wait(self, seconds: float) -> bool:
        """Whether the sweep has ended within so many seconds."""
        return self._done.wait(seconds)

    def _watch(self) -> None:
        while not self._done.wait(_LOOK_SECONDS):
            if self.why is None:
                self.why = self._look()
            if self.why is not None:
                self._ask()

    def _look(self) -> str | None:
        if self._limit is not None and time.monotonic() - self._began > self._limit:
            return f"its time limit of {self._limit:g} s was over (schedule.time_limit)"
        return "a later run takes its place (schedule.overlap: replace)" if self.replaced else None

    def _ask(self) -> None:
        """Again and again: a sweep that is only beginning takes earlier requests for another's."""
        with suppress(ClusterError):
            if not self._sweep.exists(self._sweep.STOP):
                self._sweep.write_json(self._sweep.STOP, {"now": True, "time": time.time()})
