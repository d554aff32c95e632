"""A look of a server at one schedule: what is due is settled, a run that nobody carries out is taken up."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from cluster.schedules import Record, Run, ScheduleFolder
from runner.recurring.agenda import Agenda
from runner.recurring.desk import Desk
from runner.recurring.notify import deliver

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
        local: whether its sweeps are trained on this machine.
    """

    desk: Desk
    local: bool = True

    def attend(self, now: dt.datetime, *, room: bool) -> Found:
        """Look at it; with ``room`` a run that nobody carries out is taken up.

        Raises:
            JobError, ClusterError: a file of it is damaged, or the storage cannot be used.
        """
        folder = self.desk.folder
        self.local = not folder.exists(folder.CLUSTER)
        definition = folder.definition()
        state = self.desk.state(definition)
        idle = state.run is None and not state.outbox and not state.clock_back
        due = next(definition.calendar.after(max(now, state.settled)))
        told = self._deliver(now)
        ticks = next(definition.calendar.after(state.settled))
        if idle and now < ticks and now >= state.settled:
            return Found(due, None, goes_on=told, records=())
        with self.desk.deciding(now) as agenda:
            before = agenda.state.run
            run = agenda.settle().run
            mine = run
            if run is not None and before is not None:
                mine = self._taken_up(agenda, run) if room else None
            state, records = agenda.state, agenda.state.outbox
        due = next(definition.calendar.after(max(now, state.settled)))
        return Found(due, mine, goes_on=told or state.run is not None, records=records)

    def _taken_up(self, agenda: Agenda, run: Run) -> Run | None:
        """A run of before, if nobody carries it out any more."""
        if self.desk.runner() is not None or (agenda.now - run.began).total_seconds() < _DEAD_SECONDS:
            return None
        if run.attempt > _TRIES + agenda.rules.retries:
            return agenda.fail("its process has died each time that it was begun").run
        return agenda.again("nobody carried it out: its process, or its machine, had died")

    def _deliver(self, now: dt.datetime) -> bool:
        """Tell what could not be told before; whether there was any."""
        if not self.desk.folder.files(ScheduleFolder.NOTICES):
            return False
        deliver(self.desk.folder, self.desk.job().notify, now)
        return True
