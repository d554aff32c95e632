import datetime as dt
from itertools import pairwise
from pathlib import Path

import pytest

from cluster.calendar import Calendar
from cluster.folder import Folder
from tests.runner.recurring.simulated import Fleet, World

BEGIN = dt.datetime(2026, 1, 1, 0, 5, tzinfo=dt.UTC)
SCHEDULES = {
    "berlin": ("30 2 * * *", "Europe/Berlin", {"overlap": "skip", "missed": "once"}),
    "york": ("15 1,2 * * *", "America/New_York", {"overlap": "queue", "missed": "once"}),
    "often": ("0 11 * * *", "Europe/London", {"overlap": "replace", "missed": "skip"}),
}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1))
def test_a_year_with_two_servers_that_die(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, seed, BEGIN, deaths=0.01, crashes=0.05)
    for name, (cron, zone, rules) in SCHEDULES.items():
        world.add(name, cron, zone, **rules)
    monkeypatch.setattr(Folder, "write", world.dies())
    monkeypatch.setattr("cluster.files.os.fsync", lambda _: None)
    fleet = Fleet(world)
    calendars = {name: Calendar(cron, zone) for name, (cron, zone, _) in SCHEDULES.items()}
    while world.now < BEGIN + dt.timedelta(days=366):
        world.pass_time(fleet.next(calendars.values()))
        if world.chance.random() < 0.01:
            fleet.crash()
        fleet.look()
    world.deaths = 0.0
    for _ in range(50):  # whatever was broken off is gone on with
        world.crashes = 0.0
        world.pass_time(fleet.next())
        fleet.look()
    for name, calendar in calendars.items():
        check(world, name, calendar)


def check(world: World, name: str, calendar: Calendar) -> None:
    """Every tick that was due was run once or its skip recorded, and no two runs overlapped."""
    records = world.records(name)
    due = list(calendar.between(BEGIN, world.state(name).settled))
    begun = [record.tick for record in records if record.event == "started"]
    skipped = [record for record in records if record.event == "skipped"]
    assert len(begun) == len(set(begun))
    assert not set(begun) & {record.tick for record in skipped}
    assert len(begun) + sum(record.more.get("ticks", 1) for record in skipped) == len(due)
    finished = [record.tick for record in records if record.event in {"finished", "failed"}]
    going_on = world.state(name).run
    finished += [going_on.tick] if going_on else []
    assert sorted(finished) == sorted(begun)
    runs = sorted((began, ended) for which, _, began, ended in world.done if which == name)
    assert all(ended <= began for (_, ended), (began, _) in pairwise(runs))
    assert len(due) > 300
    local = {tick.astimezone(calendar.tz).date() for tick in due}
    assert len(local) >= 365
