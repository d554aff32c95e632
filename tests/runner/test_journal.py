"""Records survive their writer, its disk and its uploads, and are read while they are written."""

from __future__ import annotations

import errno
import itertools
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from cluster.errors import ClusterError
from cluster.lease import LeaseLostError
from cluster.storage import Storage, SweepFolder
from runner import flushing
from runner.journal import Event, decode, encode, read_journal
from runner.summary import read_summary
from runner.writer import Journal
from tests.cluster.object_store import ObjectStore, open_object_store
from tests.runner.events import start
from tests.runner.syncs import Syncs

WRITER = """
import itertools, sys
from cluster.storage import SweepFolder
from runner.summary import read_summary
from runner.writer import Journal
journal = Journal(SweepFolder.from_uri(sys.argv[1]))
for number in itertools.count():
    journal.append({"event": "result", "number": number, "padding": "x" * (number % 300)})
    print(number, flush=True)
"""

FULL_DISK = """
import resource, sys
from cluster.errors import ClusterError
from cluster.storage import SweepFolder
from runner.summary import read_summary
from runner.writer import Journal
journal = Journal(SweepFolder.from_uri(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
taken = 0
try:
    while True:
        journal.append({"event": "result", "number": taken})
        taken += 1
except ClusterError as error:
    print(taken)
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
try:
    journal.append({"event": "result", "number": -1})
except ClusterError as error:
    print(error)
"""


def results(count: int, start: int = 0) -> list[Event]:
    return [{"event": "result", "trial": f"{n:05d}", "score": n / 7} for n in range(start, start + count)]


def decoded(data: bytes) -> list[Event]:
    return [event for event, _ in decode(data)]


def write_journal(folder: SweepFolder, events: list[Event]) -> None:
    journal = Journal(folder)
    for event in events:
        journal.append(event)
    journal.close()


def append_for(journal: Journal, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        journal.append({"event": "late"})
        time.sleep(0.01)


def wait_for(folder: SweepFolder, count: int, seconds: float) -> list[Event]:
    deadline = time.monotonic() + seconds
    while len(found := read_journal(folder)) < count and time.monotonic() < deadline:
        time.sleep(0.01)
    return found


def test_a_broken_segment_leaves_the_others_readable(folder: SweepFolder) -> None:
    first, second = results(3), results(2, start=3)
    write_journal(folder, first)
    write_journal(folder, second)
    data = folder.read(folder.segment(1))
    folder.write(folder.segment(1), data[:-1])

    assert read_journal(folder) == first[:2] + second


def test_segments_are_read_in_order_and_other_files_are_not(folder: SweepFolder) -> None:
    assert read_journal(folder) == []
    for number in range(12):
        write_journal(folder, results(1, start=number))
    folder.write("journal/owner.json", b"{}")

    assert read_journal(folder) == results(12)
    assert folder.files("journal") == [*(f"{number:06d}.jsonl" for number in range(1, 13)), "owner.json"]


def test_a_record_is_seen_at_once_on_a_local_path(tmp_path: Path) -> None:
    """That is, before any fsync: it is with the operating system."""
    folder = Storage.open(str(tmp_path)).sweep("a")
    journal = Journal(folder)

    for count, event in enumerate(results(20), start=1):
        journal.append(event)
        assert read_journal(folder) == results(count)

    journal.close()


def test_a_record_is_durable_within_a_second(folder: SweepFolder) -> None:
    journal = Journal(folder)
    journal.append(results(1)[0])

    assert wait_for(folder, 1, seconds=1.0) == results(1)

    journal.close()


def test_closing_writes_what_is_left(folder: SweepFolder) -> None:
    write_journal(folder, results(100))

    assert read_journal(folder) == results(100)


def test_uploads_are_made_in_groups() -> None:
    folder = open_object_store(ObjectStore()).sweep("a")
    journal = Journal(folder)
    for event in results(50):
        journal.append(event)
    assert wait_for(folder, 50, seconds=1.0) == results(50)
    for event in results(50, start=50):
        journal.append(event)
    journal.close()

    assert len(folder.files("journal")) <= 4  # a group may be cut in two by the clock
    write_journal(folder, results(1, start=100))
    assert read_journal(folder) == results(101)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flushing, "_PATIENCE", 0.2)


def test_a_storage_that_is_away_for_a_while_loses_nothing() -> None:
    """What is written meanwhile waits."""
    store = ObjectStore()
    folder = open_object_store(store).sweep("a")
    journal = Journal(folder)
    store.down = "no route to host"
    append_for(journal, seconds=2.0)
    assert (read_journal(folder), journal.durable) == ([], 0)

    store.down = None

    assert len(wait_for(folder, journal.written, seconds=3.0)) == journal.written
    append_for(journal, seconds=0.1)
    journal.close()
    assert len(read_journal(folder)) == journal.written == journal.durable


def test_a_storage_that_is_away_while_the_journal_closes_is_waited_for() -> None:
    store = ObjectStore()
    folder = open_object_store(store).sweep("a")
    journal = Journal(folder)
    store.down = "no route to host"
    journal.append(results(1)[0])
    back = threading.Timer(1.0, setattr, (store, "down", None))
    back.start()

    journal.close()

    back.join()
    assert read_journal(folder) == results(1)


@pytest.mark.usefixtures("impatient")
def test_a_storage_that_stays_away_is_an_error_and_tried_once_more_when_the_journal_closes() -> None:
    store = ObjectStore()
    folder = open_object_store(store).sweep("a")
    journal = Journal(folder)
    store.down = "no route to host"
    journal.append(results(1)[0])

    with pytest.raises(ClusterError) as error:
        append_for(journal, seconds=3.0)
    assert str(error.value).startswith("objects://bucket/sweeps/a: the journal cannot be written (")
    assert "no route to host" in str(error.value)

    store.down = None
    journal.close()
    assert read_journal(folder)[0] == results(1)[0]


def test_all_is_durable_after_a_flush(folder: SweepFolder) -> None:
    journal = Journal(folder)
    for event in results(5):
        journal.append(event)

    journal.flush()

    assert (journal.written, journal.durable) == (5, 5)
    assert read_journal(folder) == results(5)
    journal.close()


def test_the_name_of_a_segment_is_on_the_disk_before_any_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With those of the folders that were made for it."""
    syncs, new = Syncs(monkeypatch), tmp_path / "new"
    folder = Storage.open(str(new)).sweep("a")

    journal = Journal(folder)

    segment = folder.segments()[0].name
    assert syncs.paths[:4] == [new / "a" / "journal", new / "a", new, tmp_path]
    assert syncs.held[0] == {segment}
    names = len(syncs.paths)
    journal.append(start())
    journal.close()
    assert syncs.paths[names:] == [new / "a" / "journal" / segment]  # and no folder


def test_a_disk_that_fails_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Storage.open(str(tmp_path)).sweep("a")
    journal = Journal(folder)
    journal.append(results(1)[0])

    def fail(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("runner.sinks.os.fsync", fail)
    with pytest.raises(ClusterError) as error:
        journal.close()
    assert str(error.value) == f"{folder.uri}: the journal cannot be written (Input/output error)"


def test_a_folder_that_takes_no_segment_is_a_sentence(tmp_path: Path) -> None:
    folder = Storage.open(str(tmp_path)).sweep("a")
    folder.write("journal", b"a file in the place of the folder")

    with pytest.raises(ClusterError) as error:
        Journal(folder)
    assert "cannot be" in str(error.value)


def test_a_full_disk_is_an_error_and_loses_nothing_that_was_taken(tmp_path: Path) -> None:
    """The kernel takes the beginning of a record and refuses the rest."""
    folder = Storage.open(str(tmp_path)).sweep("a")

    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, folder.uri], capture_output=True, text=True, check=True
    )

    taken, *errors = done.stdout.splitlines()
    assert errors == [f"{folder.uri}: the journal cannot be written (File too large)"] * 2
    assert int(taken) > 10
    assert [event["number"] for event in read_journal(folder)] == list(range(int(taken)))


def test_records_survive_the_writers_death_and_are_read_while_it_writes(tmp_path: Path) -> None:
    folder = Storage.open(str(tmp_path)).sweep("a")
    command = [sys.executable, "-c", WRITER, folder.uri]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        acknowledged = -1
        for _ in range(20):
            acknowledged = int(writer.stdout.readline())
            found = [event["number"] for event in read_journal(folder)]
            assert found == list(range(len(found)))
            assert len(found) > acknowledged
        writer.kill()
        acknowledged = max([acknowledged, *map(int, writer.stdout.read().splitlines())])

    found = [event["number"] for event in read_journal(folder)]
    assert found == list(range(len(found)))
    assert len(found) > acknowledged


def test_the_tick_is_called_about_twice_a_second(folder: SweepFolder) -> None:
    ticks: list[float] = []
    journal = Journal(folder, tick=lambda: ticks.append(time.monotonic()))

    time.sleep(1.2)
    journal.close()

    assert 1 <= len(ticks) <= 3


def test_a_tick_that_fails_now_and_then_stops_nothing(folder: SweepFolder) -> None:
    """Though nothing is saved before it is well again: it tells whether the sweep is still ours."""
    ticks = itertools.count()

    def fail() -> None:
        if next(ticks) in {0, 2}:
            raise ClusterError("no route to host")

    journal = Journal(folder, tick=fail)
    append_for(journal, seconds=2.5)
    journal.close()

    assert next(ticks) > 3
    assert journal.durable == journal.written


@pytest.mark.usefixtures("impatient")
def test_a_tick_that_never_goes_well_stops_the_journal(folder: SweepFolder) -> None:
    def fail() -> None:
        raise ClusterError("no route to host")

    journal = Journal(folder, tick=fail)
    with pytest.raises(ClusterError, match=r"the journal cannot be written \(no route to host\)$"):
        append_for(journal, seconds=3.0)
    with pytest.raises(ClusterError, match=r"^no route to host$"):
        journal.close()


def test_a_lost_lease_stops_the_journal_at_once_and_nothing_more_goes_to_storage(
    storage: Storage,
) -> None:
    folder = storage.sweep("a")
    lost = LeaseLostError("another process took it over")

    def fail() -> None:
        raise lost

    journal = Journal(folder, tick=fail)
    with pytest.raises(LeaseLostError, match=r"^another process took it over$"):
        append_for(journal, seconds=2.0)
    before = read_journal(folder)
    assert before == [] or storage.local  # where a record is with the operating system at once
    with pytest.raises(LeaseLostError):
        journal.flush()
    journal.close()
    assert read_journal(folder) == before


def test_what_nobody_expected_is_raised_to_the_sweep(folder: SweepFolder) -> None:
    journal = Journal(folder, tick=lambda: {}["no such key"])
    with pytest.raises(KeyError, match="no such key"):
        append_for(journal, seconds=2.0)
    with pytest.raises(KeyError, match="no such key"):
        journal.close()


def test_every_writer_has_a_segment_of_its_own(folder: SweepFolder) -> None:
    first = Journal(folder)
    first.append(results(1)[0])
    wait_for(folder, 1, seconds=1.0)
    second = Journal(folder)
    second.append(results(1, start=1)[0])
    second.close()
    first.close()

    segments: list[list[Any]] = [decoded(folder.read(f"journal/{name}")) for name in folder.files("journal")]

    assert segments == [results(1), results(1, start=1)]


def test_a_damaged_line_with_whole_ones_behind_it_is_an_error(storage: Storage) -> None:
    """A torn last line is a crash; this is not, and starting over would throw the sweep away."""
    folder = storage.sweep("a")
    lines = [encode(event) for event in ({"event": "one"}, {"event": "two"}, {"event": "three"})]
    folder.write(folder.segment(1), lines[0] + b"garbage\n" + lines[2])

    with pytest.raises(ClusterError) as error:
        read_journal(folder)
    assert str(error.value) == (
        f"{folder.inside('journal/000001.jsonl')}: line 2 is damaged and whole ones follow it; "
        "restore the file from a copy, or begin again with --fresh"
    )


def test_a_segment_that_is_missing_is_an_error(folder: SweepFolder) -> None:
    """Readers would take what follows for the whole, and a new process would write on."""
    for number in range(1, 5):
        folder.write(folder.segment(number), encode(start()))
    folder.delete(folder.segment(2))
    folder.delete(folder.segment(3))

    for use in (read_journal, read_summary, Journal):
        with pytest.raises(ClusterError) as error:
            use(folder)
        assert str(error.value) == (
            f"sweep a: journal/000002.jsonl to journal/000003.jsonl are missing from {folder.uri}; restore "
            "what is missing from a copy, or begin again with --fresh"
        )
