"""A look of a server at one schedule: what is due is settled, a run that nobody carries out is taken up."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from threading import Thread

from cluster.errors import ClusterError
from cluster.scheduledocs import Record, Run, State
from cluster.schedules import ScheduleFolder
from jobs.errors import JobError
from runner.launch import warn
from runner.recurring.agenda import Agenda
from runner.recurring.desk import Desk
from runner.recurring.notify import deliver
from runner.recurring.trust import believed_notices

_DEAD_SECONDS = 30.0  # without anybody who carries it out, after which a run's process has died
_TRIES = 5  # of a run whose process dies, besides its retries


@dataclass(frozen=True)
class Found:
    """What a look has found.

    Attributes:
        due: the next tick.
        run: the run that whoever looked is to carry out; None if there is none.
        goes_on: whether there is a run, or something that is to be told.
        records: what was decided.
    """

    due: dt.datetime
    run: Run | None
    goes_on: bool
    records: tuple[Record, ...]


@dataclass
class Attendance:
    """A server's care for one schedule.

    Attributes:
        trusted: see ``trust.check_trust``.
        local: whether its sweeps are trained on this machine.
    """

    desk: Desk
    trusted: str | None = None
    local: bool = True
    _telling: Thread | None = None

    def attend(self, now: dt.datetime, *, room: bool) -> Found:
        """Look at it; with ``room`` a run that nobody carries out is taken up.

        Raises:
            JobError, ClusterError: a file of it is damaged, or the storage cannot be used.
        """
        folder = self.desk.folder
        self.local = not folder.exists(folder.CLUSTER)
        definition = folder.definition()
        state, told = self.desk.state(definition), self._deliver(now)
        due = next(definition.calendar.after(state.settled))
        if state.settled <= now < due and self._rests(state, now):
            return Found(due, None, goes_on=told or state.run is not None, records=())
        with self.desk.deciding(now) as agenda:
            before = agenda.state.run
            run = agenda.settle().run
            mine = run
            if run is not None and before is not None:
                mine = self._taken_up(agenda, run) if room else None
            state, records = agenda.state, agenda.state.outbox
        due = next(definition.calendar.after(max(now, state.settled)))
        return Found(due, mine, goes_on=told or state.run is not None, records=records)

    def _rests(self, state: State, now: dt.datetime) -> bool:
        """Whether there is nothing to decide, as long as nothing is due; it is seen without a lease."""
        return not (state.outbox or state.clock_back or (state.run and self._orphaned(state.run, now)))

    def _orphaned(self, run: Run, now: dt.datetime) -> bool:
        return self.desk.runner() is None and (now - run.began).total_seconds() >= _DEAD_SECONDS

    def _taken_up(self, agenda: Agenda, run: Run) -> Run | None:
        """A run of before, if nobody carries it out any more."""
        if not self._orphaned(run, agenda.now):
            return None
        if run.attempt > _TRIES + agenda.rules.retries:
            return agenda.fail("its process has died each time that it was begun").run
        return agenda.again("nobody carried it out: its process, or its machine, had died")

    def _deliver(self, now: dt.datetime) -> bool:
        """Have told what could not be told before, beside what is due; whether there is any."""
        if not self.desk.folder.files(ScheduleFolder.NOTICES):
            return False
        if self._telling is None or not self._telling.is_alive():
            self._telling = Thread(target=self._tell, args=(now,), name="telling", daemon=True)
            self._telling.start()
        return True

    def _tell(self, now: dt.datetime) -> None:
        try:
            notices = believed_notices(self.desk.folder, self.desk.job(), self.trusted)
            if notices is not None:  # else another server's, which may
                deliver(self.desk.folder, notices, now)
        except (JobError, ClusterError) as error:
            warn(f"schedule {self.desk.name}: {error}")
