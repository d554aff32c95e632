import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.errors import ClusterError
from cluster.scheduledocs import Definition, Record, Run, State, sweep_name
from cluster.schedules import ScheduleFolder, schedules
from cluster.storage import Storage

NOW = dt.datetime(2026, 11, 28, 1, 0, 0, 250000, tzinfo=dt.UTC)
DEFINITION = Definition("0 2 * * *", "Europe/Berlin", NOW, NOW, "somebody")
RECORD = Record(NOW, "skipped", "somebody", "why", tick=NOW, more={"ticks": 3})


def make(storage: Storage, name: str = "night") -> ScheduleFolder:
    folder = ScheduleFolder.of(storage, name)
    folder.write(folder.JOB, b"name: night\n")
    folder.define(DEFINITION)
    return folder


def test_what_is_written_is_read(storage: Storage) -> None:
    folder = make(storage)
    state = State(NOW, Run(NOW, sweep_name("night", NOW), NOW), waiting=NOW, outbox=(RECORD,))
    folder.commit(state)
    assert folder.definition() == DEFINITION
    assert folder.state() == replace(state, outbox=())
    assert folder.history() == ([RECORD], [])
    assert schedules(storage) == ["night"]


def test_records_of_a_process_that_died_come_into_the_history(storage: Storage) -> None:
    folder = make(storage)
    folder.commit(State(NOW, outbox=(RECORD,)))
    state = folder.state()
    assert state is not None
    folder.commit(state.with_records(RECORD))  # once more, as after a crash between the two
    assert folder.history() == ([RECORD], [])


def test_schedules_are_no_sweeps(storage: Storage) -> None:
    make(storage)
    assert storage.sweeps() == []


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"time": 5}', '{"time": "now", "event": 1, "by": 2}']
)
def test_a_damaged_record_is_said_and_passed_over(text: str, tmp_path: Path) -> None:
    folder = make(Storage.open(str(tmp_path)))
    folder.record(RECORD)
    other = replace(RECORD, event="kept", number="0" * 8)
    folder.write(other.path, text.encode())
    records, damaged = folder.history()
    assert records == [RECORD]
    assert len(damaged) == 1
    assert other.path in damaged[0]


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "{}", '{"settled": "soon"}', '{"settled": "2026-01-01T00:00:00"}', '{"settled": null}'],
)
def test_a_damaged_state_is_refused_by_its_name(text: str, tmp_path: Path) -> None:
    folder = make(Storage.open(str(tmp_path)))
    folder.write(folder.STATE, text.encode())
    with pytest.raises(ClusterError, match=r"state\.json"):
        folder.state()


@pytest.mark.parametrize("cron", ["0 0 31 2 *", "nonsense", 5, None])
def test_a_definition_that_is_never_due_is_refused(cron: object, tmp_path: Path) -> None:
    folder = make(Storage.open(str(tmp_path)))
    raw = folder.read_json(folder.DEFINITION)
    folder.write_json(folder.DEFINITION, raw | {"cron": cron})
    with pytest.raises(ClusterError):
        folder.definition()


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-a", "a" * 101, "a b"])
def test_names_that_are_none(name: str, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="cannot be a schedule's name"):
        ScheduleFolder.of(Storage.open(str(tmp_path)), name)


def test_there_is_no_such_schedule(tmp_path: Path) -> None:
    storage = Storage.open(str(tmp_path))
    make(storage, "nightly")
    with pytest.raises(ClusterError, match="did you mean nightly"):
        ScheduleFolder.of(storage, "nighty").definition()


def test_history_of_long_ago_is_forgotten(tmp_path: Path) -> None:
    folder = make(Storage.open(str(tmp_path)))
    old = replace(RECORD, time=NOW - dt.timedelta(days=800))
    for record in (old, RECORD):
        folder.record(record)
    folder.forget(NOW)
    assert folder.history()[0] == [RECORD]
