"""``recur schedule serve``: looks after every schedule of a storage, one of several servers that may do so.

It decides on ticks in a moment each and starts a process for a run; what a process begins, it ends by itself.
"""

from __future__ import annotations

import datetime as dt
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from cluster.errors import ClusterError
from cluster.scheduledocs import Run
from cluster.schedules import ScheduleFolder, schedules
from cluster.storage import Storage
from jobs.errors import JobError
from runner.launch import warn
from runner.recurring.attendance import Attendance
from runner.recurring.desk import Desk, now
from runner.recurring.meters import Meters

_LIST_SECONDS = {True: 15.0, False: 60.0}  # between two looks at what is new, on a folder and in a bucket
_LONGEST_SECONDS = 600.0  # between two looks at a schedule, whatever seems to be the case
_SOON_SECONDS = 15.0  # till the next look where something goes on
_LEAVE_SECONDS = 60.0  # that runs have to save and leave at the server's end


class Process(Protocol):
    """A run that is being carried out."""

    def poll(self) -> int | None:
        """Its exit code once it is over."""

    def wait(self, timeout: float | None = None) -> int:
        """The same, waited for."""

    def send_signal(self, number: int) -> None:
        """Ask it to leave."""

    def kill(self) -> None:
        """End it."""


Launch = Callable[[str, Run], Process]  # of a schedule's name and its run


@dataclass
class _Schedule:
    """What the server knows of one.

    Attributes:
        seen: how its files looked at the last look.
        due: the next tick.
        look: when to look again, by the clock that only goes on.
        begun: its run that this server is to carry out and has no room for.
        process: that carries it out.
        told: the last trouble with it, which is said once.
    """

    attendance: Attendance
    due: dt.datetime
    seen: object = None
    look: float = 0.0
    begun: Run | None = None
    process: Process | None = None
    told: str = ""


@dataclass
class Server:
    """Looks after the schedules of a storage.

    Attributes:
        launch: starts runs.
        trusted: see ``trust.check_trust``.
        at_once: runs that train on this machine beside each other.
        clock: the time; ``steady`` only goes on, whatever is set.
        desk: what it knows a schedule by.
        stop: set when it is to end.
    """

    storage: Storage
    launch: Launch
    meters: Meters
    at_once: int = 1
    trusted: str | None = None
    clock: Callable[[], dt.datetime] = now
    steady: Callable[[], float] = time.monotonic
    desk: Callable[[ScheduleFolder], Desk] = Desk
    stop: threading.Event = field(default_factory=threading.Event)
    _known: dict[str, _Schedule] = field(default_factory=dict)
    _listed: float = -1e9
    _away: str = ""

    def serve(self) -> None:
        """Look until it is to stop; then have what runs save and leave."""
        try:
            while not self.stop.is_set():
                self.look()
                self.stop.wait(self._pause())
        finally:
            self._leave()

    def look(self) -> None:
        """Look at what is due, at what has changed, and now and then at everything."""
        moment = self.steady()
        if moment - self._listed > _LIST_SECONDS[self.storage.local is not None]:
            self._listed = moment
            self._list()
        for name, schedule in self._known.items():
            if schedule.process is not None and schedule.process.poll() is not None:
                schedule.process, schedule.look = None, 0.0
            if self.clock() >= schedule.due or moment >= schedule.look:
                self._attend(name, schedule)
            self._start(name, schedule)
        self.meters.looked(len(self._known), sum(s.process is not None for s in self._known.values()))

    def _pause(self) -> float:
        """Seconds till there may be something to do: a tick, or a second from now."""
        now = self.clock()
        soonest = min((schedule.due for schedule in self._known.values()), default=now + dt.timedelta(days=1))
        return min(max((soonest - now).total_seconds(), 0.01), 1.0)

    def _list(self) -> None:
        """Learn of schedules that are new, changed or gone."""
        try:
            names = schedules(self.storage)
            seen = {name: ScheduleFolder.of(self.storage, name).marks() for name in names}
        except ClusterError as error:
            self._say_away(str(error))
            return
        self._away = ""
        for name in set(self._known) - set(names):
            if self._known[name].process is None:
                del self._known[name]
                self.meters.forget(name)
        for name in names:
            desk = self.desk(ScheduleFolder.of(self.storage, name))
            # The first look settles whatever was due while nobody looked.
            known = self._known.setdefault(name, _Schedule(Attendance(desk, self.trusted), self.clock()))
            if known.seen != seen[name]:
                known.seen, known.look = seen[name], 0.0

    def _attend(self, name: str, schedule: _Schedule) -> None:
        """Settle what is due, and take up what nobody carries out; what is in the way is said once."""
        moment = self.clock()
        late = (moment - schedule.due).total_seconds()
        try:
            room = schedule.process is None and self._has_room(schedule)
            found = schedule.attendance.attend(moment, room=room)
            schedule.due, schedule.told = found.due, ""
            if found.run is not None:
                schedule.begun = found.run
            schedule.look = self.steady() + (_SOON_SECONDS if found.goes_on else _LONGEST_SECONDS)
            self.meters.attended(name, found, late)
        except (ClusterError, JobError) as error:
            schedule.look = self.steady() + 1.0  # what is due stays so
            schedule.due = moment + dt.timedelta(days=1)
            self.meters.failed(name)
            if str(error) != schedule.told:
                warn(f"schedule {name}: {error}")
                schedule.told = str(error)

    def _has_room(self, schedule: _Schedule) -> bool:
        """Whether a run of it may begin here; one that trains elsewhere always may."""
        busy = sum(each.process is not None and each.attendance.local for each in self._known.values())
        return not schedule.attendance.local or busy < self.at_once

    def _start(self, name: str, schedule: _Schedule) -> None:
        """Start the run that is this server's, as soon as there is room."""
        if schedule.begun is not None and schedule.process is None and self._has_room(schedule):
            schedule.process, schedule.begun = self.launch(name, schedule.begun), None

    def _say_away(self, error: str) -> None:
        self.meters.away()
        if error != self._away:
            warn(error)
            self._away = error

    def _leave(self) -> None:
        """Ask every run to save and leave, and see that it has."""
        processes = [each.process for each in self._known.values() if each.process is not None]
        for process in processes:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _LEAVE_SECONDS
        for process in processes:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
