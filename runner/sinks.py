"""Where a journal's records go: a file on a local path, uploads on an object store."""

from __future__ import annotations

import os
import threading

from cluster.storage import SweepFolder


class LocalSink:
    """Appends to one file; a write goes to the operating system, a flush to the disk."""

    def __init__(self, folder: SweepFolder, number: int) -> None:
        """Open the segment of that ``number``."""
        opened = folder.open_local(folder.segment(number), os.O_WRONLY | os.O_APPEND)
        self._file = os.fdopen(opened, "ab", buffering=0)
        folder.settle(folder.segment(number))  # once; what is flushed later is found by it
        self._dirty = False

    def write(self, line: bytes) -> None:
        """Hand a line to the operating system."""
        rest = memoryview(line)
        while rest:  # the kernel may take less than all, on a disk that is nearly full for one
            rest = rest[self._file.write(rest) :]
        self._dirty = True

    def flush(self) -> None:
        """Have all that was written on the disk."""
        if self._dirty:
            self._dirty = False
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Write no more."""
        self._file.close()


class UploadSink:
    """Collects lines and uploads each group as a segment of its own.

    A group that was not taken stays as it is: a request that failed here may still arrive there, after those
    that came later, and puts then what is there already.
    """

    def __init__(self, folder: SweepFolder, number: int) -> None:
        """Begin with the segment of that ``number``."""
        self._folder, self._number = folder.impatient(), number
        self._lines: list[bytes] = []
        self._group = b""  # that is being uploaded
        self._lock = threading.Lock()

    def write(self, line: bytes) -> None:
        """Take a line for the next upload."""
        with self._lock:
            self._lines.append(line)

    def flush(self) -> None:
        """Upload what was written since the last time.

        Raises:
            ClusterError: it is not taken; the next time tries again.
        """
        with self._lock:
            count = len(self._lines)
        while self._group or count:
            if not self._group:
                with self._lock:
                    self._group = b"".join(self._lines[:count])
                    del self._lines[:count]
                count = 0
            self._folder.write(self._folder.segment(self._number), self._group)
            self._group, self._number = b"", self._number + 1

    def close(self) -> None:
        """Nothing stays open between uploads."""
