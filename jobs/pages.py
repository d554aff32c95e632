"""How much of a mapped file a process keeps in its memory."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.npyfile import let_go


class Pages:
    """Gives the pages of a mapped array back to the kernel when they are more than a limit.

    What is touched again comes back from the page cache, or from the disk where memory is short.
    """

    def __init__(self, array: npt.NDArray[Any], limit: int) -> None:
        """Keep at most ``limit`` bytes of the array; nothing is done for an array that is no larger."""
        self._array = array
        self._limit = limit if array.nbytes > limit and isinstance(array, np.memmap) else None
        self._before = _mapped() if self._limit is not None else 0

    @property
    def limited(self) -> bool:
        """Whether the array is larger than the limit."""
        return self._limit is not None

    def ease(self) -> None:
        """To be called often: looking takes some microseconds."""
        if self._limit is not None and _mapped() - self._before > self._limit:
            let_go(self._array)
            self._before = _mapped()  # libraries that were loaded meanwhile are none of it


def _mapped() -> int:
    """Bytes of files that this process has in memory; 0 where the system does not say."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/self/statm").read_text().split()[2]) * os.sysconf("SC_PAGE_SIZE")
    return 0
