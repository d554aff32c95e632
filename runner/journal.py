r"""The append-only log of a sweep, its one source of truth.

Format, version 1: files ``journal/000001.jsonl`` and on, read in that order.  A line is the CRC-32 of the
rest in eight hex digits, a space, and one JSON object with the key ``event``:

=========  =====================================================================================
event      its other keys
=========  =====================================================================================
start      ``version``, ``time``, ``versions``, ``planned`` trials, ``fidelity`` (what an epoch is, see
           ``jobs.fidelity``): a process began to run the sweep
given      ``configurations`` (``values``, ``source``) that come first, ``evidence`` of other sweeps
           (``values``, ``epoch``, ``score``)
trial      ``trial``, ``number``, ``values``: a configuration was chosen; on GPUs ``off_cudnn``, why it runs
           there without cuDNN's kernels
leg        ``trial``, ``epoch``: training began, or went on, after that epoch
result     ``trial``, ``epoch``, ``score``, ``best_score``, ``best_epoch``, ``metrics``, ``seconds``,
           ``ended``, ``vitals``, ``rung``: whether the scheduler decides after it
pause      ``trial``: waits for the scheduler, or for the sweep to be resumed
lost       ``trial``, ``error``, ``timeout`` (whether it ran too long): its worker is gone, it will run again
grow       ``trial``, ``error``, ``gpu`` or ``cpu``: ran out of memory, will run again with that share of a
           card, or in the room of so many cores
exploit    ``trial``, ``donor``, ``values``: goes on from that one's weights, with these values
retry      ``trial``: failed, begins once more
end        ``trial``, ``state``, ``error``
finish     ``state``, ``time``: the process ended the sweep's run
=========  =====================================================================================

A record is handed to the operating system before anything acts on it, so it survives the death of any
process; it is fsynced (on an object store: uploaded, a segment at a time) within a second, so that losing
the machine costs at most that second.  Every process writes segments of its own; a torn last line of one is
ignored.
"""

from __future__ import annotations

import json
import os
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cluster.errors import ClusterError
from cluster.storage import SweepFolder

VERSION = 1
Event = dict[str, Any]
_GROUP_SECONDS = 0.5


def encode(event: Event) -> bytes:
    """One line of the journal."""
    body = json.dumps(event, separators=(",", ":"), allow_nan=False).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def decode(data: bytes) -> Iterator[tuple[Event, int]]:
    """The records of a segment and where each ends; stops at the first line that is not whole."""
    end = 0
    for line in data.splitlines(keepends=True):
        checksum, _, body = line.rstrip(b"\n").partition(b" ")
        if not line.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(body):
            return
        end += len(line)
        yield json.loads(body), end


def read_journal(folder: SweepFolder) -> list[Event]:
    """Every record that is whole, in order; a journal may be read while it is written.

    Raises:
        ClusterError: a record is damaged that was whole once, for others follow it.
    """
    names = [name for name in folder.files(folder.JOURNAL) if name.endswith(".jsonl")]
    events: list[Event] = []
    for name in names:
        path = f"{folder.JOURNAL}/{name}"
        data = folder.read(path)
        records = list(decode(data))
        torn, _, rest = data[records[-1][1] if records else 0 :].partition(b"\n")
        if torn and next(_whole(rest), None):
            raise ClusterError(
                f"{folder.inside(path)}: line {len(records) + 1} is damaged and whole ones follow it; "
                "restore the file from a copy, or begin again with --fresh"
            )
        events += [event for event, _ in records]
    return events


def _whole(data: bytes) -> Iterator[bytes]:
    """The lines, wherever they stand, that are whole records."""
    return (line for line in data.splitlines(keepends=True) if next(decode(line), None))


class Journal:
    """The writer's end; one process at a time holds it (``cluster.lease``)."""

    def __init__(self, folder: SweepFolder, tick: Callable[[], None] = lambda: None) -> None:
        """Open the next segment; ``tick`` is called about twice a second from the flushing thread."""
        self._folder, self._tick = folder, tick
        taken = [name for name in folder.files(folder.JOURNAL) if name.endswith(".jsonl")]
        self._number = int(taken[-1].partition(".")[0]) + 1 if taken else 1
        self._sink = (
            _LocalSink(folder, self._number) if folder.storage.local else _UploadSink(folder, self._number)
        )
        self._failure: Exception | None = None
        self._closing = threading.Event()
        self._flusher = threading.Thread(target=self._flush_in_groups, name="journal", daemon=True)
        self._flusher.start()

    def append(self, event: Event) -> None:
        """Write a record; when this returns it survives the death of this process (see the module).

        Raises:
            ClusterError: the storage no longer takes records.
        """
        if self._failure is None:
            try:
                self._sink.write(encode(event))
            except OSError as error:
                self._failure = error  # and nothing after it: readers stop at a record that is not whole
        if self._failure is not None:
            reason = getattr(self._failure, "strerror", None) or self._failure
            raise ClusterError(f"{self._folder.uri}: the journal cannot be written ({reason})")

    def close(self) -> None:
        """Flush what is left and end the thread."""
        self._closing.set()
        self._flusher.join()
        self._sink.flush()
        self._sink.close()

    def _flush_in_groups(self) -> None:
        while not self._closing.wait(_GROUP_SECONDS):
            try:
                self._sink.flush()
                self._tick()
            except (OSError, ClusterError) as error:
                self._failure = error
                return


class _LocalSink:
    """Appends to one file; a write goes to the operating system, a flush to the disk."""

    def __init__(self, folder: SweepFolder, number: int) -> None:
        path = Path(folder.path(folder.segment(number)))
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        self._dirty = False

    def write(self, line: bytes) -> None:
        rest = memoryview(line)
        while rest:  # the kernel may take less than all, on a disk that is nearly full for one
            rest = rest[self._file.write(rest) :]
        self._dirty = True

    def flush(self) -> None:
        if self._dirty:
            self._dirty = False
            os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


class _UploadSink:
    """Collects lines and uploads each group as a segment of its own."""

    def __init__(self, folder: SweepFolder, number: int) -> None:
        self._folder, self._number = folder, number
        self._lines: list[bytes] = []
        self._lock = threading.Lock()

    def write(self, line: bytes) -> None:
        with self._lock:
            self._lines.append(line)

    def flush(self) -> None:
        with self._lock:
            group, self._lines = self._lines, []
        if not group:
            return
        try:
            self._folder.write(self._folder.segment(self._number), b"".join(group))
        except ClusterError:
            with self._lock:
                self._lines = group + self._lines  # closing tries once more
            raise
        self._number += 1

    def close(self) -> None:
        """Nothing stays open between uploads."""
