"""What a panel is made of: shards as they were when they were listed, and which rows and columns of them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from pyarrow import fs as pafs

from jobs.dataspec import CALENDAR, Data
from jobs.errors import JobError
from jobs.listing import Listing, find_shards
from jobs.where import SettledCondition, settled

_LAYOUT = 4  # of a panel's files, and of how they are made


@dataclass(frozen=True)
class Columns:
    """Which columns are read, and as what; and which rows."""

    time: str
    series: str | None
    target: tuple[str, ...]
    past: tuple[str, ...]
    where: tuple[SettledCondition, ...] = ()
    future: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    calendar: bool = False  # features of the calendar are added
    missing: str = "error"
    missing_limit: int | None = None
    frequency: str | int | None = None
    categories: tuple[tuple[str, tuple[str, ...]], ...] = ()  # of static columns, if no others are wanted

    @classmethod
    def of(cls, data: Data) -> Columns:
        """What a job reads.

        Raises:
            JobError: conditions move, and the job does not say by which moment.
        """
        return cls(
            time=data.time,
            series=data.series,
            target=data.target,
            past=data.past,
            where=settled(data.where, data.as_of),
            future=tuple(name for name in data.future if name != CALENDAR),
            static=data.static,
            calendar=CALENDAR in data.future,
            missing=data.missing,
            missing_limit=data.missing_limit,
            frequency=data.frequency,
        )

    @property
    def numbers(self) -> tuple[str, ...]:
        """The numeric columns in the order of the panel."""
        return (*self.target, *self.past, *self.future)

    @property
    def names(self) -> tuple[str, ...]:
        """All that are read."""
        return (*self.keys, *self.numbers, *self.static)

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that say which row it is."""
        return (self.time,) if self.series is None else (self.series, self.time)


@dataclass(frozen=True)
class Source:
    """Shards as they were when they were listed, and what is read of them."""

    filesystem: pafs.FileSystem
    path: str
    listing: Listing
    columns: Columns

    @classmethod
    def find(cls, filesystem: pafs.FileSystem, path: str, columns: Columns) -> Source:
        """What ``path`` names.

        Raises:
            JobError: nothing is there, or nothing that is a Parquet file.
        """
        return cls(filesystem, path, find_shards(filesystem, path), columns)

    def key(self) -> str:
        """A name for the panel: another one as soon as a shard is another, or is read in another way."""
        shards = [[shard.path, shard.size, shard.modified] for shard in self.listing.shards]
        read = [_LAYOUT, self.filesystem.type_name, asdict(self.columns), shards]
        return hashlib.sha256(json.dumps(read).encode()).hexdigest()[:32]

    def check_unchanged(self) -> None:
        """See that every shard is still the one that was listed.

        Raises:
            JobError: names the first that is not.
        """
        now = {shard.path: shard for shard in find_shards(self.filesystem, self.path).shards}
        for shard in self.listing.shards:
            if now.get(shard.path) != shard:
                what = "changed" if shard.path in now else "vanished"
                raise JobError(
                    f"shard {shard.path}: {what} while it was read; run again when it stays as it is"
                )
