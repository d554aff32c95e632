"""Standard output and standard error, with something done to all that is printed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

Write = Callable[[Any, str], int]


@contextmanager
def printing_by(write: Write) -> Iterator[None]:
    """In the block, what is printed is written by ``write(stream, text)``, which says how long it was."""
    usual = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast("Any", _Stream(stream, write)) for stream in usual)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = usual


class _Stream:
    """A text stream that is written to by somebody else."""

    def __init__(self, stream: Any, write: Write) -> None:
        self._stream, self._write = stream, write

    def write(self, text: str) -> int:
        return self._write(self._stream, text)

    def writelines(self, lines: Iterable[str]) -> None:
        self.write("".join(lines))

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":  # the way round
            raise AttributeError(name)
        return getattr(self._stream, name)
