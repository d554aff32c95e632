"""Keeps a journal quick to read while it grows: a summary of its beginning, and few files.

All of it is made from the journal on storage, by reading it as anyone may, so that it cannot say anything
else than the journal does.  Trouble with it is no trouble of the sweep's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from cluster.errors import ClusterError
from cluster.storage import SweepFolder
from runner.compaction import merge, merge_latest
from runner.journal import Place
from runner.summary import Encoder, Summary, keep, read_summary

_LOOK_SECONDS = 1.0  # between two looks at the journal
_LOOK_SECONDS_AWAY = 10.0  # at one on an object store, where a look is paid for
_FEWEST = 500  # records beyond the summary before there is another one
_SHARE = 64  # and a part of so many of those that are in it
_SEGMENTS = 32  # that are merged into one


class Upkeep:
    """To be entered by whoever holds the sweep's lease, before the journal is opened, till it is closed."""

    def __init__(self, folder: SweepFolder, check: Callable[[], None] = lambda: None) -> None:
        """``check`` is called before anything is written; it raises if the lease is lost."""
        self._folder, self._encoder, self._check = folder.impatient(), Encoder(), check
        self._summary: Summary | None = None
        self._kept = Summary()  # no results: how far the latest on storage goes
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)

    def __enter__(self) -> Self:
        """Begin to look, in a thread."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Sum up and merge all that there is."""
        self._closing.set()
        self._thread.join()
        with suppress(ClusterError):
            self._check()
            finish(self._folder, self._read(), self._encoder)

    def _run(self) -> None:
        seconds = _LOOK_SECONDS if self._folder.storage.local else _LOOK_SECONDS_AWAY
        while not self._closing.wait(seconds):
            with suppress(ClusterError):
                self.look()

    def look(self) -> None:
        """Read what is new, and do what is due.

        Raises:
            ClusterError: the journal cannot be read, its storage takes nothing, or the lease is lost.
        """
        summary = self._read()
        records, segment = summary.records, summary.place.segment
        fresh = records - self._kept.records
        if fresh < max(_FEWEST, records // _SHARE) and segment - self._kept.place.segment < _SEGMENTS:
            return
        self._check()
        keep(self._folder, summary, self._encoder)
        self._kept = Summary(place=summary.place, records=records)
        merge_latest(self._folder, before=segment, least=_SEGMENTS)

    def _read(self) -> Summary:
        summary = self._summary
        if summary is None or not summary.read_on(self._folder):
            summary = self._summary = read_summary(self._folder)
        return summary


def finish(folder: SweepFolder, summary: Summary, encoder: Encoder) -> None:
    """Keep the summary of the whole of a journal that nobody writes to, and merge that.

    Raises:
        ClusterError: the journal cannot be read, or its storage takes nothing.
    """
    segments = folder.segments()
    if segments:
        summary.place = Place(segments[-1].last + 1)  # a place that merging leaves as it is
        keep(folder, summary, encoder)
        merge(folder, before=summary.place.segment)
