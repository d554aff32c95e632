"""What becomes of the times at which a schedule is due: a function of its state, its rules and the clock."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cluster.scheduledocs import Definition, Record, Run, State, sweep_name
from jobs.schedulespec import Rules

ON_TIME = dt.timedelta(seconds=60)  # how late a tick may be looked at and not count as missed
PLATFORMS = dt.timedelta(minutes=30)  # the same where a platform has to start a machine first


@dataclass
class Agenda:
    """One look at a schedule: its state is moved on to a moment, with a record of all that is decided.

    Attributes:
        name: the schedule's.
        definition, rules: when it is due, and what becomes of ticks that come together or too late.
        now: the moment.
        by: who looks.
        state: where it stands, before and after.
        on_time: how late a tick may be looked at and not count as missed.
    """

    name: str
    definition: Definition
    rules: Rules
    now: dt.datetime
    by: str
    state: State
    on_time: dt.timedelta = ON_TIME
    _skipped: list[tuple[dt.datetime, str]] = field(default_factory=list)

    def settle(self) -> State:
        """Decide on every tick that is due and not settled.

        Each is begun, made to wait, or skipped; one that nobody looked at in time counts as missed.
        """
        if self.now < self.state.settled:
            return self._note_clock()
        due = list(self.definition.calendar.between(self.state.settled, self.now))
        counted = [tick for tick in due if not self._paused(tick)]
        missed = [tick for tick in counted if self.now - tick > self.on_time]
        in_time = counted[len(missed) :]
        if missed and not in_time and self.rules.missed == "once":
            in_time = [missed.pop()]
        for tick in due:
            if tick in in_time:
                self._begin_or_wait(tick)
            elif tick in missed:
                self._skip(tick, "missed: nobody ran the schedule at its time")
            else:
                self._skip(tick, "the schedule was paused")
        self._record_skips()
        if due:
            self.state = replace(self.state, settled=due[-1])
        self.state = replace(self.state, clock_back=False)
        return self.state

    def _paused(self, tick: dt.datetime) -> bool:
        return self.definition.paused or tick <= self.definition.since

    def _note_clock(self) -> State:
        """Say once that the clock went back; what is settled stays so."""
        if not self.state.clock_back and self.state.settled - self.now > ON_TIME:
            shown = self.definition.calendar.shown
            self._record(
                "clock",
                f"the clock shows {shown(self.now)}, and everything until {shown(self.state.settled)} is "
                f"settled; nothing is run till then (recur schedule resume {self.name} counts from now)",
            )
            self.state = replace(self.state, clock_back=True)
        return self.state

    def _begin_or_wait(self, tick: dt.datetime) -> None:
        run, waiting = self.state.run, self.state.waiting
        if run is None:
            self.begin(tick)
            return
        going_on = f"the run of {run.tick:%Y-%m-%d %H:%M:%SZ} is not over"
        match self.rules.overlap:
            case "skip":
                self._skip(tick, f"{going_on} (schedule.overlap: skip)")
            case "queue" if waiting is not None:
                self._skip(
                    tick, f"{going_on}, and {waiting:%Y-%m-%d %H:%M:%SZ} waits (schedule.overlap: queue)"
                )
            case "queue":
                self.state = replace(self.state, waiting=tick)
                self._record("queued", going_on, tick)
            case "replace":
                if waiting is not None:
                    self._skip(waiting, "a later one takes its place (schedule.overlap: replace)")
                self.state = replace(self.state, waiting=tick, run=replace(run, replaced=True))
                self._record("queued", f"{going_on}; it is stopped (schedule.overlap: replace)", tick)

    def begin(self, tick: dt.datetime, *, manual: bool = False, as_of: str | None = None) -> Run:
        """A run begins, none going on."""
        run = Run(tick, sweep_name(self.name, tick), self.now, manual=manual, as_of=as_of)
        self.state = replace(self.state, run=run)
        asked = f"asked for{f', as of {as_of}' if as_of else ''}" if manual else ""
        self._record("started", asked, tick, run.sweep)
        return run

    def again(self, reason: str) -> Run:
        """The run that was begun is begun once more."""
        run = self.state.run
        assert run is not None, "asked of such schedules alone"  # noqa: S101
        run = replace(run, attempt=run.attempt + 1, began=self.now)
        self.state = replace(self.state, run=run)
        self._record("resumed", reason, run.tick, run.sweep)
        return run

    def fail(self, reason: str) -> State:
        """The run is given up."""
        run = self.state.run
        assert run is not None, "asked of such schedules alone"  # noqa: S101
        return self.end([Record(self.now, "failed", self.by, reason, tick=run.tick, sweep=run.sweep)])

    def end(self, records: Sequence[Record]) -> State:
        """The run is over, and the tick that waits for that begins."""
        self.state = replace(self.state, run=None).with_records(*records)
        waiting, self.state = self.state.waiting, replace(self.state, waiting=None)
        if waiting is not None:
            self.begin(waiting)
        return self.state

    def _skip(self, tick: dt.datetime, reason: str) -> None:
        self._skipped.append((tick, reason))

    def _record_skips(self) -> None:
        """One record for all that are skipped for the same reason: after a long absence they may be many."""
        for reason in dict.fromkeys(reason for _, reason in self._skipped):
            ticks = [tick for tick, why in self._skipped if why == reason]
            more = {"ticks": len(ticks), "first": ticks[0].isoformat()} if len(ticks) > 1 else {}
            record = Record(self.now, "skipped", self.by, reason, tick=ticks[-1], more=more)
            self.state = self.state.with_records(record)
        self._skipped.clear()

    def _record(
        self, event: str, reason: str, tick: dt.datetime | None = None, sweep: str | None = None
    ) -> None:
        record = Record(self.now, event, self.by, reason, tick=tick, sweep=sweep)
        self.state = self.state.with_records(record)
