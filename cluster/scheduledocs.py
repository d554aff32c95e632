"""The documents of a schedule, and how they are read and written: strictly, as whoever writes there may err.

Times are in UTC.  Fields of later versions are passed over.
"""

from __future__ import annotations

import datetime as dt
import getpass
import hashlib
import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, TypeVar

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from cluster.calendar import Calendar
from cluster.errors import ClusterError

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Definition:
    """When a schedule is due, and whose it is.

    Attributes:
        since: times before it do not count: it was added, or last resumed, then.
        added, by: when it was added, and by whom.
        paused: whether nothing is run for now.
    """

    cron: str
    zone: str
    added: AwareDatetime
    since: AwareDatetime
    by: str
    paused: bool = False

    @property
    def calendar(self) -> Calendar:
        """When it is due."""
        return Calendar(self.cron, self.zone)


@dataclass(frozen=True)
class Run:
    """A sweep that a schedule has begun and not finished.

    Attributes:
        tick: what it is for; the time at which it was asked for, if ``manual``.
        sweep: its sweep's name.
        attempt: how often it was begun, from 1.
        began: when it was, at last.
        replaced: whether another is to take its place.
        as_of: the time that its data are of, where that is not the tick's.
    """

    tick: AwareDatetime
    sweep: str
    began: AwareDatetime
    attempt: int = 1
    manual: bool = False
    replaced: bool = False
    as_of: str | None = None


@dataclass(frozen=True)
class State:
    """Where a schedule stands.

    Attributes:
        settled: every time until then at which it was due has been run or its skip recorded.
        run: what goes on.
        waiting: the tick to be run when that is over.
        clock_back: whether it is recorded that the clock shows a time before ``settled``.
        outbox: records that are to be put into the history.
    """

    settled: AwareDatetime
    run: Run | None = None
    waiting: AwareDatetime | None = None
    clock_back: bool = False
    outbox: tuple[Record, ...] = ()

    def with_records(self, *records: Record) -> State:
        """The same with more to be recorded."""
        return replace(self, outbox=(*self.outbox, *records))


@dataclass(frozen=True)
class Record:
    """Something that happened.

    Attributes:
        event: added, paused, resumed, started, skipped, failed, finished, replaced, promoted, kept, drift,
            rolled_back, untold, clock …
        tick: of the run that it is about; ``sweep`` is that run's.
        reason: a sentence.
        more: whatever else belongs to it, as JSON has it.
    """

    time: AwareDatetime
    event: str
    by: str
    reason: str = ""
    tick: AwareDatetime | None = None
    sweep: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
    number: str = field(default_factory=lambda: secrets.token_hex(4))

    def to_json(self) -> dict[str, Any]:
        """As it is put on storage and shown."""
        found: dict[str, Any] = written(self)
        return found

    @property
    def path(self) -> str:
        """Where it lies in the schedule's folder; the same each time that it is put there."""
        return f"history/{self.time:%Y-%m}/{stamp(self.time)}-{self.event}-{self.number}.json"


def whoever() -> str:
    """Who this is: the user, the host and the process."""
    return f"{getpass.getuser()} on {socket.gethostname()} (process {os.getpid()})"


def digest_of(job: bytes, cluster: bytes) -> str:
    """SHA-256 of a job and a cluster file."""
    return hashlib.sha256(len(job).to_bytes(8, "big") + job + cluster).hexdigest()


def stamp(moment: dt.datetime) -> str:
    """A time in UTC as part of a file's name; in the order of time."""
    return moment.astimezone(dt.UTC).strftime("%Y%m%dT%H%M%S.%fZ")


def sweep_name(schedule: str, tick: dt.datetime) -> str:
    """What the sweep of a tick is called."""
    return f"{schedule}-{tick.astimezone(dt.UTC):%Y%m%dT%H%M%SZ}"


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def written(document: Any) -> Any:
    """A document as JSON has it."""
    return _adapter(type(document)).dump_python(document, mode="json")  # type: ignore[arg-type]


def read(kind: type[Kind], raw: Any, source: str) -> Kind:
    """The inverse; fields of later versions are passed over.

    Raises:
        ClusterError: it is no such document.
    """
    try:
        found: Kind = _adapter(kind).validate_python(raw)  # type: ignore[arg-type]  # a class is hashable
    except ValidationError:
        raise _damaged(source) from None
    return found


def _damaged(source: str) -> ClusterError:
    return ClusterError(f"{source} is not as Recur writes it; restore it from a copy, or take it away")
