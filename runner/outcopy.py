"""The copy of what a submitted sweep's driver prints, on storage: its own cluster may forget it."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from cluster.errors import ClusterError
from cluster.folder import Folder
from cluster.references import redacted
from cluster.streams import printing_by
from cluster.submissions import DRIVER_LOG
from cluster.trickle import LARGEST, LEFT_OUT, sent_now_and_then

_EARLIER = 1 << 20  # letters of earlier runs' output that stay before this one's


@contextmanager
def copied_output(folder: Folder) -> Iterator[None]:
    """In the block, what is printed goes to the driver's log in a submission's folder, too."""
    copy = _Copy(folder)
    try:
        with printing_by(copy.write), sent_now_and_then(copy.size, copy.send):
            yield
    except Exception:
        copy.add(traceback.format_exc())
        raise
    finally:
        with suppress(ClusterError):
            copy.send()


class _Copy:
    """What was printed, as it is to be on storage."""

    def __init__(self, folder: Folder) -> None:
        self._folder, self._lock = folder.impatient(), threading.Lock()
        earlier = ""
        with suppress(ClusterError):
            if self._folder.exists(DRIVER_LOG):
                earlier = self._folder.read(DRIVER_LOG, 2 * LARGEST).decode(errors="replace")[-_EARLIER:]
        self._pieces = [earlier, f"--- {time.strftime('%Y-%m-%d %H:%M:%S %Z')} ---\n"]
        self._size = sum(map(len, self._pieces))

    def size(self) -> int:
        return self._size

    def write(self, stream: Any, text: str) -> int:
        written = int(stream.write(text))  # which refuses what is no text: click tries that
        self.add(text)
        return written

    def add(self, text: str) -> None:
        with self._lock:
            if self._size <= LARGEST:
                self._size += len(text)
                self._pieces.append(text if self._size <= LARGEST else LEFT_OUT)

    def send(self) -> None:
        with self._lock:
            self._pieces = ["".join(self._pieces)]
            text = self._pieces[0]
        # As a whole: a piece may end in the middle of a secret.
        self._folder.write(DRIVER_LOG, redacted(text).encode(errors="replace"))
