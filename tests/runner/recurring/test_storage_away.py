"""A server whose storage, a bucket behind a way that fails, is away when a schedule is due."""

import datetime as dt
from collections.abc import Iterator

import pytest

from cluster.patience import Patience
from cluster.scheduledocs import Definition, Run
from cluster.schedules import ScheduleFolder
from cluster.storage import Storage
from runner.recurring.meters import Meters
from runner.recurring.serving import Server
from tests.s3 import Faults, faulty_way, uri

BEGIN = dt.datetime(2026, 11, 28, 1, 30, tzinfo=dt.UTC)
JOB = b"name: night\ndata: {path: data, time: t, target: y}\nwindow: {horizon: 1}\n"


class Gone:
    """A process that has ended."""

    def poll(self) -> int:
        return 0

    wait = send_signal = kill = poll


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def storage(faults: Faults, server: int) -> Iterator[Storage]:
    with faulty_way(server, faults) as way:
        yield Storage.open(uri(way, "schedules"), Patience(0.0))


@pytest.mark.slow
def test_a_tick_is_run_once_when_the_storage_is_back(
    storage: Storage, faults: Faults, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ScheduleFolder.of(storage, "night")
    folder.write(folder.JOB, JOB)
    folder.define(Definition("0 2 * * *", "UTC", BEGIN, BEGIN, "somebody"))
    now, launched = BEGIN, []

    def launch(name: str, run: Run) -> Gone:
        launched.append((name, run.tick))
        return Gone()

    server = Server(
        storage,
        launch,
        Meters(),
        clock=lambda: now,
        steady=lambda: (now - BEGIN) / dt.timedelta(seconds=1),
    )
    server.look()
    faults.plan = lambda _: "500"
    for minute in (30, 31, 33):
        now = BEGIN + dt.timedelta(minutes=minute)
        server.look()
    assert launched == []
    assert server.meters.trouble() is not None
    faults.plan = lambda _: "ok"
    for minute in (34, 36):
        now = BEGIN + dt.timedelta(minutes=minute)
        server.look()
    assert launched[:1] == [("night", dt.datetime(2026, 11, 28, 2, tzinfo=dt.UTC))]
    begun = [record.event for record in folder.history()[0]]
    assert begun.count("started") == 1
    assert server.meters.trouble() is None
    said = capsys.readouterr().err
    assert "has not answered" in said
    assert "Traceback" not in said
