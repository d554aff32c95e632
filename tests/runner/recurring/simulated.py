"""A world in which servers look after schedules: its clock is ours, and so are the deaths in it.

Everything but the time, the runs themselves and who carries one out is real: files, leases, decisions.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cluster.calendar import Calendar
from cluster.folder import Folder
from cluster.scheduledocs import Definition, Record, Run
from cluster.schedules import ScheduleFolder
from cluster.storage import Storage
from runner.recurring.desk import Desk
from runner.recurring.meters import Meters
from runner.recurring.serving import Server

_JOB = "name: night\ndata: {path: data, time: t, target: y}\nwindow: {horizon: 1}\n"


class Died(BaseException):
    """A process is no more."""


@dataclass
class World:
    """The time, who carries out which run, and what has been carried out when.

    Attributes:
        deaths: the share of writes at which whoever writes dies.
        crashes: the share of runs whose process dies.
    """

    root: Path
    seed: int
    now: dt.datetime
    deaths: float = 0.0
    crashes: float = 0.0
    running: dict[str, VirtualRun] = field(default_factory=dict)
    done: list[tuple[str, dt.datetime, dt.datetime, dt.datetime]] = field(default_factory=list)
    chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)  # noqa: S311 - repeatable
        self.begin = self.now

    @property
    def storage(self) -> Storage:
        return Storage.open(str(self.root))

    def add(self, name: str, cron: str, zone: str, **rules: str) -> None:
        folder = ScheduleFolder.of(self.storage, name)
        section = "".join(f"\n  {key}: {value}" for key, value in rules.items())
        folder.write(folder.JOB, (_JOB + (f"schedule:{section}\n" if rules else "")).encode())
        folder.define(Definition(cron, zone, self.now, self.now, "somebody"))

    def server(self) -> Server:
        return Server(
            self.storage,
            self.launch,
            Meters(),
            at_once=99,
            clock=lambda: self.now,
            steady=lambda: (self.now - self.begin) / dt.timedelta(seconds=1),
            desk=lambda folder: VirtualDesk(folder, self),
        )

    def launch(self, name: str, run: Run) -> VirtualRun:
        process = VirtualRun(self, name)
        if name in self.running or self.state(name).run is None:
            process.code = 0  # another carries it out, or it is over
        else:
            self.running[name] = process
            process.begin()
        del run
        return process

    def state(self, name: str):  # noqa: ANN201
        desk = VirtualDesk(ScheduleFolder.of(self.storage, name), self)
        return desk.state(desk.folder.definition())

    def dies(self) -> Callable[..., None]:
        """A ``Folder.write`` at which the process that calls it may die, before or after."""
        real = Folder.write

        def write(folder: Folder, relative: str, data: bytes) -> None:
            # A lease that is left behind is known as its process's, which here is the test's own and lives.
            fate = 0.5 if relative.endswith("owner.json") else self.chance.random()
            if fate < self.deaths / 2:
                raise Died
            real(folder, relative, data)
            if fate > 1 - self.deaths / 2:
                raise Died

        return write

    def pass_time(self, until: dt.datetime) -> None:
        """Runs end at their times."""
        while self.running:
            process = min(self.running.values(), key=lambda each: each.ends)
            if process.ends > until and not process.replaced():
                break
            self.now = max(self.now, min(process.ends, until))
            process.end()
        self.now = until

    def records(self, name: str) -> list[Record]:
        records, damaged = ScheduleFolder.of(self.storage, name).history()
        assert not damaged
        return records


@dataclass(frozen=True)
class VirtualDesk(Desk):
    """A desk in whose world runs are carried out by virtual processes."""

    world: World

    def runner(self) -> str | None:
        return "a process" if self.name in self.world.running else None


@dataclass
class VirtualRun:
    """A process that carries out a schedule's runs, each as long as chance has it."""

    world: World
    name: str
    code: int | None = None
    run: Run | None = None

    def begin(self) -> None:
        world = self.world
        self.run = world.state(self.name).run
        self.began = world.now
        self.ends = world.now + dt.timedelta(minutes=world.chance.choice([1, 10, 55, 200, 900]))
        self.dies = world.chance.random() < world.crashes

    def replaced(self) -> bool:
        run = self.world.state(self.name).run
        return run is not None and run.replaced

    def end(self) -> None:
        world = self.world
        assert self.run is not None
        if self.dies:
            del world.running[self.name]
            self.code = -9
            return
        desk = VirtualDesk(ScheduleFolder.of(world.storage, self.name), world)
        try:
            with desk.deciding(world.now) as agenda:
                finished = Record(world.now, "finished", "it", tick=self.run.tick, sweep=self.run.sweep)
                state = agenda.end([finished])
        except Died:
            del world.running[self.name]
            self.code = -9
            state = world.state(self.name)
            if state.run is not None and state.run.tick == self.run.tick:
                return  # its end was not written down: it is carried out again
            world.done.append((self.name, self.run.tick, self.began, world.now))
            return
        world.done.append((self.name, self.run.tick, self.began, world.now))
        if state.run is None:
            del world.running[self.name]
            self.code = 0
        else:
            self.begin()

    def poll(self) -> int | None:
        return self.code

    def wait(self, timeout: float | None = None) -> int:
        del timeout
        return self.code or 0

    def send_signal(self, number: int) -> None:
        del number

    def kill(self) -> None:
        pass


@dataclass
class Fleet:
    """Two servers of which one may be down."""

    world: World
    count: int = 2
    servers: dict[int, Server] = field(default_factory=dict)
    back: dict[int, dt.datetime] = field(default_factory=dict)

    def look(self) -> None:
        """Each server that is up looks; some die over it, and come back after a while."""
        for number in range(self.count):
            if number not in self.servers and self.world.now >= self.back.get(number, self.world.begin):
                self.servers[number] = self.world.server()
            if number in self.servers:
                try:
                    self.servers[number].look()
                except Died:
                    self._down(number)

    def crash(self) -> None:
        """One dies between two looks."""
        for number in list(self.servers):
            if self.world.chance.random() < 0.5:
                self._down(number)

    def _down(self, number: int) -> None:
        del self.servers[number]
        away = dt.timedelta(minutes=self.world.chance.choice([1, 5, 90, 60 * 24 * 2]))
        self.back[number] = self.world.now + away

    def next(self, calendars: Iterable[Calendar] = ()) -> dt.datetime:
        """When something may happen next."""
        after = self.world.now
        ticks = [next(calendar.after(after)) for calendar in calendars]
        ends = [run.ends for run in self.world.running.values()]
        backs = [moment for moment in self.back.values() if moment > after]
        return max(
            after + dt.timedelta(seconds=20), min([*ticks, *ends, *backs, after + dt.timedelta(hours=6)])
        )
