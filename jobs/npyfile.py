"""``.npy`` files in blocks: growing as they are written, and given back to the kernel once they are read."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

BLOCK = 1 << 16  # rows; small against any panel, large against the cost of a call


class NpyFile:
    """A file that grows along its first axis and is never in memory as a whole.

    Raises:
        OSError: it cannot be written; what there is of it stays.
    """

    def __init__(self, path: Path, dtype: npt.DTypeLike, *columns: int) -> None:
        """Begin an array of the shape (0, *columns) in the file."""
        self._dtype, self._columns, self._count = np.dtype(dtype), columns, 0
        self._file = path.open("wb")
        self._write_header()
        self._begin = self._file.tell()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def append(self, block: npt.NDArray[Any]) -> None:
        """Add (rows, *columns)."""
        self._file.write(np.ascontiguousarray(block, self._dtype).data)
        self._count += len(block)

    def close(self) -> None:
        """Write what is left, and how many rows there are."""
        if self._file.closed:
            return
        with self._file:
            self._file.seek(0)
            self._write_header()
            assert self._file.tell() == self._begin, "NumPy leaves room in a header"  # noqa: S101

    def _write_header(self) -> None:
        header = {
            "descr": np.lib.format.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": (self._count, *self._columns),
        }
        np.lib.format.write_array_header_1_0(self._file, header)


def blocks(array: npt.NDArray[Any], *, overlap: int = 0) -> Iterator[npt.NDArray[Any]]:
    """The array in pieces along its first axis, each with ``overlap`` rows of the next; no copies.

    The pages of a read-only mapping are given back as it goes on.
    """
    for begin in range(0, len(array), BLOCK):
        yield array[begin : begin + BLOCK + overlap]
        let_go(array)


def let_go(array: npt.NDArray[Any]) -> None:
    """Take a read-only mapping's pages out of this process's memory; they come back when they are touched."""
    # From one that may be written to (NumPy's mode "c"), what was written would be lost.
    if isinstance(array, np.memmap) and array.mode == "r" and isinstance(array.base, mmap.mmap):
        array.base.madvise(mmap.MADV_DONTNEED)
