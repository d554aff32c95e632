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
import re
from dataclasses import replace

from cluster.errors import ClusterError
from cluster.folder import SMALL, Folder
from cluster.scheduledocs import Definition, Record, State, digest_of, read, written
from cluster.storage import Storage

SCHEDULES = ".schedules"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # with a time behind it, it is a sweep's
_RECORD = re.compile(r"history/\d{4}-\d\d/(\d{8}T\d{6}\.\d{6}Z)-([a-z_]+)-[0-9a-f]{8}\.json")
_MONTHS = 24  # of history that are kept


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

    @classmethod
    def find(cls, storage: Storage, name: str) -> ScheduleFolder:
        """The folder of the schedule of that name, which is there.

        Raises:
            ClusterError: it is not.
        """
        folder = cls.of(storage, name)
        if not folder.exists(cls.DEFINITION):
            raise no_such_schedule(storage, name)
        return folder

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
        found = read(Definition, raw, self.inside(self.DEFINITION))
        found.calendar.check()
        return found

    def define(self, definition: Definition) -> None:
        """Make it a schedule, or another one."""
        self.write_json(self.DEFINITION, written(definition))

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
        return read(State, self.read_json(self.STATE), self.inside(self.STATE))

    def commit(self, state: State) -> None:
        """Put a state in the place of the one before, and its records into the history.

        The records are in the state's file first: whoever comes after a crash puts them where they belong.
        """
        self.write_json(self.STATE, written(state))
        if state.outbox:
            for record in state.outbox:
                self.record(record)
            self.write_json(self.STATE, written(replace(state, outbox=())))

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
                records.append(read(Record, self.read_json(path), source))
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
