"""Where a journal's records go: a file on a local path, uploads on an object store."""

from __future__ import annotations

import os
import threading
from io import FileIO
from itertools import accumulate

from cluster.storage import SweepFolder
from runner import journal


class LocalSink:
    """Appends to a file, then to the next; a write goes to the operating system, a flush to the disk."""

    def __init__(self, folder: SweepFolder, number: int) -> None:
        """Open the segment of that ``number``."""
        self._folder, self._number = folder, number
        self._file, self._size = self._opened(), 0
        self._dirty = False
        self._lock = threading.Lock()  # of the file that is being flushed

    def write(self, line: bytes) -> None:
        """Hand a line to the operating system.

        Raises:
            ClusterError: the next segment cannot be opened.
        """
        if self._size and self._size + len(line) > journal.FULL:
            self._roll()
        self._size += len(line)
        rest = memoryview(line)
        while rest:  # the kernel may take less than all, on a disk that is nearly full for one
            rest = rest[self._file.write(rest) :]
        self._dirty = True

    def flush(self) -> None:
        """Have all that was written on the disk."""
        with self._lock:
            if self._dirty:
                self._dirty = False
                os.fsync(self._file.fileno())

    def close(self) -> None:
        """Write no more."""
        self._file.close()

    def _roll(self) -> None:
        """Go on in the next segment, when all of this one is on the disk."""
        self.flush()
        self._number += 1
        opened = self._opened()
        with self._lock:
            self._file.close()
            self._file, self._size = opened, 0

    def _opened(self) -> FileIO:
        """The segment, which nobody else writes to: not even a process that has taken over the sweep."""
        path, flags = self._folder.segment(self._number), os.O_WRONLY | os.O_APPEND | os.O_EXCL
        opened = FileIO(self._folder.open_local(path, flags), "ab")
        self._folder.settle(path)  # once; what is flushed later is found by it
        return opened


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
                    taken = self._fitting(count)
                    self._group = b"".join(self._lines[:taken])
                    del self._lines[:taken]
                count -= taken
            self._folder.write(self._folder.segment(self._number), self._group)
            self._group, self._number = b"", self._number + 1

    def _fitting(self, count: int) -> int:
        """How many of the first lines a segment takes, one at least."""
        sizes = accumulate(map(len, self._lines[:count]))
        return max(1, sum(size <= journal.FULL for size in sizes))

    def close(self) -> None:
        """Nothing stays open between uploads."""
