"""What every kind of file to import looks like to the importer: typed columns, in blocks of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from jobs.errors import JobError

CELLS = 1 << 19  # values of a block at most, where those of a file have types of their own

_PACKED = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}

Progress = Callable[[str, int, float], object]  # what is done ("read", "written"), rows so far, share of all


@dataclass(frozen=True)
class Block:
    """Some rows of a file, the number of the first, and how much of the file lies behind them (0 to 1)."""

    row: int
    values: pa.RecordBatch
    share: float


class Origin(Protocol):
    """One file to import, or one of several of the same kind.

    ``guess`` says that its texts are what is written in the file, and may mean numbers.
    """

    @property
    def file(self) -> str: ...  # noqa: D102
    @property
    def types(self) -> Mapping[str, pa.DataType]: ...  # noqa: D102
    @property
    def guess(self) -> bool: ...  # noqa: D102

    def place(self, row: int) -> str:
        """What a person calls the row with this number."""

    def count(self, progress: Callable[[int, float], object]) -> int:
        """How many rows the file has, found in as little time as its kind allows.

        Args:
            progress: called with the rows counted so far and the share of the file that they are, if that
                takes long.

        Raises:
            JobError: the file cannot be read.
        """

    def blocks(self) -> Iterator[Block]:
        """The rows, a block at a time.

        Raises:
            JobError: the file cannot be read.
        """


def unpacked(raw: pa.NativeFile, file: str) -> pa.NativeFile:
    """What stands in an opened file, which is compressed if its name ends like ``.gz``."""
    codec = _PACKED.get(Path(file).suffix.lower())
    return pa.CompressedInputStream(raw, codec) if codec else raw


def check_columns(origins: Sequence[Origin]) -> None:
    """See that all files have the columns of the first, in any order, of the same types.

    Raises:
        JobError: names the file and the column.
    """
    first = origins[0]
    for other in origins[1:]:
        lacks = [f"lacks column {name!r}" for name in first.types if name not in other.types]
        adds = [f"adds column {name!r}" for name in other.types if name not in first.types]
        if lacks or adds:
            raise JobError(
                f"{other.file}: the header {' and '.join([*lacks[:1], *adds[:1]])}, unlike {first.file}; "
                "give all files the same columns"
            )
        for name, kind in first.types.items():
            if other.types[name] != kind:
                raise JobError(
                    f"{other.file}: column {name!r} is {other.types[name]}, and {kind} in {first.file}; "
                    "give it one type in all files"
                )


@dataclass
class Report:
    """What to call while a file is read, with its rows so far and their share of it."""

    progress: Progress
    rows_before: int
    share_before: float
    share: float
    rows: int = 0

    def __call__(self, rows: int, share: float) -> None:
        """Tell of this file and all before it."""
        self.rows = rows
        self.progress("read", self.rows_before + rows, self.share_before + share * self.share)


def over(files: Sequence[str], progress: Progress) -> Iterator[Report]:
    """A report for each file, to be taken when the one before it has been read; shares are those of bytes."""
    sizes = [Path(file).stat().st_size for file in files]
    total = max(sum(sizes), 1)
    rows = behind = 0
    for size in sizes:
        report = Report(progress, rows, behind / total, size / total)
        yield report
        rows, behind = rows + report.rows, behind + size
