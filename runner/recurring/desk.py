"""A schedule on storage, as one of several processes that look after it: what each may change, and when."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from cluster.errors import ClusterError
from cluster.lease import holding, lease_holder
from cluster.scheduledocs import Definition, Record, State, whoever
from cluster.schedules import ScheduleFolder
from jobs.errors import JobError
from jobs.jobfile import parse_job
from jobs.schedulespec import Rules
from jobs.spec import Job
from runner.recurring.agenda import ON_TIME, Agenda

if TYPE_CHECKING:  # a server reads none
    from cluster.clusterfile import Cluster

DECIDING = "deciding/owner"
RUNNING = "running/owner"
_WAIT_SECONDS = 90.0  # for another process's decision, which takes a moment unless it has died over it


def now() -> dt.datetime:
    """The time, in UTC."""
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True)
class Desk:
    """One schedule.

    Attributes:
        folder: where it is on storage.
    """

    folder: ScheduleFolder

    @property
    def name(self) -> str:
        """The schedule's."""
        return self.folder.schedule

    def job(self) -> Job:
        """The job that it runs.

        Raises:
            JobError: the job file is not valid, or not any more; names the field.
            ClusterError: it cannot be read.
        """
        return parse_job(self.folder.text(self.folder.JOB), source=self.folder.inside(self.folder.JOB))

    def rules(self) -> Rules:
        """What becomes of ticks; where the job is not valid that is its run's to say."""
        try:
            return self.job().schedule
        except JobError:
            return Rules()

    def state(self, definition: Definition) -> State:
        """Where it stands; where nobody wrote that down, what its history tells.

        Raises:
            ClusterError: it cannot be read.
        """
        found = self.folder.state()
        if found is not None:
            return found
        ticks = [record.tick for record in self.folder.history()[0] if record.tick is not None]
        return State(settled=max([definition.since, *ticks]))

    @contextmanager
    def deciding(
        self, moment: dt.datetime | None = None, on_time: dt.timedelta = ON_TIME
    ) -> Iterator[Agenda]:
        """Holds the right to decide, for a moment: what the agenda then says is put on storage.

        Raises:
            ClusterError: the storage cannot be used, or another process does not give up that right.
        """
        subject = f"schedule {self.name}"
        with holding(self.folder, at=DECIDING, subject=subject, sure=True, wait=_WAIT_SECONDS):
            definition = self.folder.definition()
            before, rules = self.state(definition), self.rules()
            agenda = Agenda(self.name, definition, rules, moment or now(), whoever(), before, on_time)
            yield agenda
            if agenda.state != before or before.outbox:
                self.folder.commit(agenda.state)

    def runner(self) -> str | None:
        """Who carries out its run, in words; None where nobody does."""
        return lease_holder(self.folder, at=RUNNING)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Holds the right to carry out its run.

        Raises:
            LeaseTakenError: another process does.
        """
        with holding(self.folder, at=RUNNING, subject=f"the run of schedule {self.name}"):
            yield

    def record(self, event: str, reason: str = "", **facts: object) -> None:
        """Put something into the history that changes no state."""
        self.folder.record(Record(now(), event, whoever(), reason, **facts))  # type: ignore[arg-type]


def cluster_of(folder: ScheduleFolder) -> Cluster | None:
    """Where a schedule's sweeps run; None for where it is run itself.

    Raises:
        JobError: its cluster file is not valid, or not any more; names the field.
        ClusterError: it cannot be read.
    """
    if not folder.exists(folder.CLUSTER):
        return None
    from cluster.clusterfile import parse_cluster

    text, source = folder.text(folder.CLUSTER), folder.inside(folder.CLUSTER)
    try:
        return parse_cluster(yaml.safe_load(text), source=source)
    except yaml.YAMLError as error:
        raise JobError(f"{source}: not valid YAML: {getattr(error, 'problem', error)}") from None
    except ClusterError as error:
        raise JobError(str(error)) from None
