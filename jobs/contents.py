"""What the files of an import hold as rows of a long table, be they long or wide themselves."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import pyarrow as pa

from jobs.errors import JobError
from jobs.layout import Layout, check_numeric, find_layout
from jobs.melting import Lives, Melting
from jobs.origins import Origin, Progress, over
from jobs.widerows import WideRows


class Content(Protocol):
    """The rows of all files."""

    @property
    def layout(self) -> Layout: ...  # noqa: D102

    def count(self, progress: Progress) -> list[int]:
        """How many rows each file gives.

        Raises:
            JobError: a file cannot be read.
        """

    def tables(self, number: int, text: Collection[str]) -> Iterator[pa.Table]:
        """The rows of a file, after those of the files before it; columns in ``text`` are strings.

        Raises:
            JobError: a file cannot be read, or a value cannot be used.
            TextError: a column that was taken for numbers holds something else.
        """


@dataclass(frozen=True)
class LongRows:
    """Files with one row per time step and series."""

    origins: Sequence[Origin]
    layout: Layout

    @classmethod
    def of(cls, origins: Sequence[Origin], time: str | None, series: str | None) -> LongRows:
        """With these columns for the time and the ids, or the likely time.

        Raises:
            JobError: a column cannot be that.
        """
        return cls(origins, find_layout(origins, time, series))

    @classmethod
    def of_lines(cls, origins: Sequence[WideRows]) -> LongRows:
        """Files with a series a line, which are turned into such rows as they are read.

        Raises:
            JobError: there are no values, or two columns would have one name.
        """
        first = origins[0]
        _check_names(first.time, first.series, first.value)
        return cls.of(origins, first.time, first.series)

    def count(self, progress: Progress) -> list[int]:
        """As the files count themselves."""
        reports = over([origin.file for origin in self.origins], progress)
        return [origin.count(report) for origin, report in zip(self.origins, reports, strict=True)]

    def tables(self, number: int, text: Collection[str]) -> Iterator[pa.Table]:
        """Blocks, each column with its type."""
        origin, layout = self.origins[number], self.layout.with_text(text)
        return (layout.table(block, origin) for block in origin.blocks())


@dataclass(frozen=True)
class WideColumns:
    """Files with one row per time step and one column per series; ``starts`` is filled by ``count``."""

    origins: Sequence[Origin]
    melting: Melting
    lives: Lives
    starts: list[int]

    @classmethod
    def of(cls, origins: Sequence[Origin], time: str | None, series: str, value: str) -> WideColumns:
        """With this column for the time, or the likely one; the other names are those of what is made.

        Raises:
            JobError: a column cannot be that, or two columns would have one name.
        """
        layout = find_layout(origins, time, None)
        _check_names(layout.time, series, value)
        check_numeric(origins[0], layout.time)
        melting = Melting.of(layout, series, value)
        return cls(origins, melting, Lives.unknown(len(melting.ids)), [])

    @property
    def layout(self) -> Layout:
        """Of the long table."""
        return self.melting.layout

    def count(self, progress: Progress) -> list[int]:
        """By reading all values: the ends of a series are known no sooner."""
        ends = [0]
        for origin, report in zip(self.origins, over([o.file for o in self.origins], progress), strict=True):
            row = ends[-1]
            for block in origin.blocks():
                values = self.melting.values(block, origin)
                self.lives.see(row, values)
                row += len(values)
                report(row - ends[-1], block.share)
            ends.append(row)
        self.starts[:] = ends[:-1]
        return [self.lives.count(start, end) for start, end in pairwise(ends)]

    def tables(self, number: int, text: Collection[str]) -> Iterator[pa.Table]:  # noqa: ARG002 - refused
        """Blocks, melted."""
        origin, row = self.origins[number], self.starts[number]
        for block in origin.blocks():
            yield self.melting.long(block, origin, row, self.lives)
            row += block.values.num_rows


def _check_names(time: str, series: str, value: str) -> None:
    if len({time, series, value}) < 3:
        raise JobError(
            f"the columns of the long table would be {time!r}, {series!r} and {value!r}; "
            "give them three names with --time, --series and --value"
        )
