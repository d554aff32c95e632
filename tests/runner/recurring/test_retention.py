"""Which sweeps of a schedule are removed, and which stay."""

import datetime as dt

from cluster.lease import Lease
from cluster.schedules import ScheduleFolder
from cluster.storage import Storage
from runner.launch import read_spec
from runner.recurring.champion import crown
from runner.recurring.desk import Desk
from runner.recurring.retention import remove_old
from tests.runner.recurring.published import plain_sweep, schedule

BEGIN = dt.datetime(2026, 11, 1, 2, tzinfo=dt.UTC)
JOB = b"name: nightly\ndata: {path: data, time: t, target: y}\nwindow: {horizon: 1}\nschedule: {keep: 2}\n"


def nights(storage: Storage, count: int) -> tuple[ScheduleFolder, list[str]]:
    """A schedule that has run so often, each sweep published."""
    folder = schedule(storage)
    folder.write(folder.JOB, JOB)
    names = []
    for night in range(count):
        with Desk(folder).deciding() as agenda:
            run = agenda.begin(BEGIN + dt.timedelta(days=night))
        with Desk(folder).deciding() as agenda:
            agenda.end([])
        plain_sweep(storage, run.sweep)
        names.append(run.sweep)
    return folder, names


def left(storage: Storage) -> list[str]:
    return [sweep.name for sweep in storage.sweeps()]


def test_the_latest_stay(storage: Storage) -> None:
    folder, names = nights(storage, 5)
    plain_sweep(storage, "nightly-of-mine")  # no run of the schedule
    remove_old(Desk(folder))
    assert left(storage) == sorted([*names[3:], "nightly-of-mine"])
    last = folder.history()[0][-1]
    assert (last.event, names[0] in last.reason) == ("removed", True)
    remove_old(Desk(folder))
    assert folder.history()[0][-1] == last


def test_so_do_the_champion_and_the_one_before_it(storage: Storage) -> None:
    folder, names = nights(storage, 6)
    for name in (names[0], names[2]):
        sweep = storage.sweep(name)
        crown(folder, sweep, read_spec(sweep), scores={}, why="it is better", by="me")
    remove_old(Desk(folder))
    assert left(storage) == [names[0], names[2], *names[4:]]


def test_and_what_is_being_run(storage: Storage) -> None:
    folder, names = nights(storage, 4)
    lease = Lease(storage.sweep(names[0]))
    lease.take()
    remove_old(Desk(folder))
    assert left(storage) == [names[0], *names[2:]]
    lease.release()
