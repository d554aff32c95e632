"""A schedule's folder on storage, ``<storage>/.schedules/<name>/``, and the documents in it.

``schedule.json``  the definition: when it is due, and whose it is; written by people's commands alone
``job.yaml``, ``cluster.yaml``  what is run, and where
``state.json``     up to when ticks are settled, the run that goes on, the tick that waits, and the records
                   that are not in the history yet; written under a lease alone
``history/<month>/<time>-<event>-<number>.json``  what happened, a file a record, none is ever changed
``champion.json``  the model in service, see ``runner.recurring.champion``
``notices/``       what is still to be told to somebody

Every file is replaced whole, so that a reader sees a document as it was or as it is.
"""

from __future__ import annotations

import datetime as dt
import getpass
import hashlib
import os
import re
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, TypeVar

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from cluster.calendar import Calendar
from cluster.errors import ClusterError
from cluster.folder import SMALL, Folder
from cluster.storage import Storage

SCHEDULES = ".schedules"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # with a time behind it, it is a sweep's
_RECORD = re.compile(r"history/\d{4}-\d\d/(\d{8}T\d{6}\.\d{6}Z)-([a-z_]+)-[0-9a-f]{8}\.json")
Kind = TypeVar("Kind")
_MONTHS = 24  # of history that are kept


@dataclass(frozen=True)
class Definition:
    """When a schedule is due, and whose it is.

    Attributes:
        since: times before it do not count: it was added, or last resumed, then.
        added, by: when it was added, and by whom.
        paused: whether nothing is run for now.
        digest: SHA-256 of its job and cluster files.
    """

    cron: str
    zone: str
    added: AwareDatetime
    since: AwareDatetime
    by: str
    digest: str
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
        found: dict[str, Any] = _written(self)
        return found

    @property
    def path(self) -> str:
        """Where it lies in the schedule's folder; the same each time that it is put there."""
        return f"history/{self.time:%Y-%m}/{stamp(self.time)}-{self.event}-{self.number}.json"


class ScheduleFolder(Folder):
    """One schedule's folder, whether or not it is there."""

    DEFINITION = "schedule.json"
    JOB = "job.yaml"
    CLUSTER = "cluster.yaml"
    STATE = "state.json"
    CHAMPION = "champion.json"
    NOTICES = "notices"

    @classmethod
    def of(cls, storage: Storage, name: str) -> ScheduleFolder:
        """The folder of the schedule of that name.

        Raises:
            ClusterError: it cannot be a name.
        """
        if not NAME.fullmatch(name):
            raise ClusterError(
                f"{name!r} cannot be a schedule's name: letters, digits, '.', '_' and '-', at most 100 of "
                "them, the first a letter or digit"
            )
        return cls(storage, f"{SCHEDULES}/{name}")

    @property
    def schedule(self) -> str:
        """The schedule's name."""
        return self.name.rpartition("/")[2]

    def definition(self) -> Definition:
        """When it is due.

        Raises:
            ClusterError: there is no such schedule, or its definition is none.
        """
        if not self.exists(self.DEFINITION):
            raise no_such_schedule(self.storage, self.schedule)
        raw = self.read_json(self.DEFINITION)
        found = _read(Definition, raw, self.inside(self.DEFINITION))
        found.calendar.check()
        return found

    def define(self, definition: Definition) -> None:
        """Make it a schedule, or another one."""
        self.write_json(self.DEFINITION, _written(definition))

    def text(self, file: str) -> str:
        """The job or the cluster file."""
        return self.read(file, SMALL).decode("utf-8", errors="replace")

    def digest(self) -> str:
        """SHA-256 of the job and cluster files as they are."""
        cluster = self.read(self.CLUSTER, SMALL) if self.exists(self.CLUSTER) else b""
        return digest_of(self.read(self.JOB, SMALL), cluster)

    def state(self) -> State | None:
        """Where it stands; None before anybody looked at it.

        Raises:
            ClusterError: the file is damaged.
        """
        if not self.exists(self.STATE):
            return None
        return _read(State, self.read_json(self.STATE), self.inside(self.STATE))

    def commit(self, state: State) -> None:
        """Put a state in the place of the one before, and its records into the history.

        The records are in the state's file first: whoever comes after a crash puts them where they belong.
        """
        self.write_json(self.STATE, _written(state))
        if state.outbox:
            for record in state.outbox:
                self.record(record)
            self.write_json(self.STATE, _written(replace(state, outbox=())))

    def record(self, record: Record) -> None:
        """Put a record into the history; once more is the same."""
        self.write_json(record.path, record.to_json())

    def marks(self) -> tuple[object, ...]:
        """By what a look tells whether its definition or its state are other than at the look before."""
        paths = [self.path(file) for file in (self.DEFINITION, self.JOB, self.STATE)]
        return self._attempt(
            lambda: tuple(self.storage.files.mark(path) for path in paths), f"{self.uri}: cannot be looked at"
        )

    def history(self) -> tuple[list[Record], list[str]]:
        """All that happened, in its order; and what is no record of it, in a sentence each."""
        records, damaged = [], []
        for path in sorted(f"history/{path}" for path in self.tree("history")):
            if not _RECORD.fullmatch(path):
                continue  # a file that is being written
            source = self.inside(path)
            try:
                records.append(_read(Record, self.read_json(path), source))
            except ClusterError as error:
                damaged.append(str(error))
        return sorted(records, key=lambda record: record.time), damaged

    def forget(self, now: dt.datetime) -> None:
        """Take away the history of months that are long past."""
        oldest = (now.replace(day=1) - dt.timedelta(days=30.4 * _MONTHS)).strftime("%Y-%m")
        months = {path.partition("/")[0] for path in self.tree("history")}
        for month in sorted(month for month in months if month < oldest):
            self.delete(f"history/{month}")


def schedules(storage: Storage) -> list[str]:
    """The names of the schedules on a storage."""
    names = (name for name in Folder(storage, SCHEDULES).folders("") if NAME.fullmatch(name))
    return sorted(
        name for name in names if ScheduleFolder.of(storage, name).exists(ScheduleFolder.DEFINITION)
    )


def no_such_schedule(storage: Storage, name: str) -> ClusterError:
    """What to say where there is none."""
    import difflib

    known = schedules(storage)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}" if near else f"it holds {', '.join(known[:5]) or 'none'}"
    return ClusterError(f"no schedule {name!r} in {storage.uri} ({hint}); --storage names another place")


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


def _written(document: Any) -> Any:
    """A document as JSON has it."""
    return _adapter(type(document)).dump_python(document, mode="json")  # type: ignore[arg-type]


def _read(kind: type[Kind], raw: Any, source: str) -> Kind:
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
