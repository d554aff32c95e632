"""A journal is summed up and merged while it grows, and when it is closed."""

from __future__ import annotations

import time

import pytest

from cluster.lease import Lease, LeaseLostError
from cluster.storage import SweepFolder
from runner import upkeep as module
from runner.journal import Event, read_journal
from runner.results import Results
from runner.summary import read_summary
from runner.upkeep import Upkeep
from runner.writer import Journal
from tests.cluster.object_store import ObjectStore, open_object_store
from tests.runner.events import end, finish, leg, start, trained, trial, write


def sweep(trials: int, epochs: int = 10) -> list[Event]:
    scores = [1 / epoch for epoch in range(1, epochs + 1)]
    each = [[trial(n), leg(n), *trained(n, *scores), end(n)] for n in range(trials)]
    return [start(), *(event for events in each for event in events), finish("done")]


def files(folder: SweepFolder) -> list[str]:
    return folder.files(folder.JOURNAL)


def test_a_summary_is_written_as_soon_as_enough_is_new(folder: SweepFolder) -> None:
    events = sweep(40)
    upkeep = Upkeep(folder)
    write(folder, 1, *events[:499])
    upkeep.look()
    assert files(folder) == ["000001.jsonl"]

    write(folder, 1, *events[:500])
    upkeep.look()
    assert files(folder) == ["000001.jsonl", "results.json"]
    first = folder.read(folder.SUMMARY)
    upkeep.look()
    write(folder, 1, *events)  # only a few more
    upkeep.look()

    assert folder.read(folder.SUMMARY) == first
    assert vars(read_summary(folder).results) == vars(Results(events))


def test_the_more_there_is_the_rarer_it_is_summed_up(
    folder: SweepFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that all of them together cost no more than a part of the journal."""
    monkeypatch.setattr(module, "_FEWEST", 2)
    monkeypatch.setattr(module, "_SHARE", 4)
    upkeep, events = Upkeep(folder), sweep(20)
    written: list[bytes] = []
    for count in range(1, len(events) + 1):
        write(folder, 1, *events[:count])
        upkeep.look()
        if folder.exists(folder.SUMMARY) and folder.read(folder.SUMMARY) not in written:
            written.append(folder.read(folder.SUMMARY))

    assert 10 < len(written) < 30  # 2 · 1.33^n reaches 240 with n = 17


def test_many_segments_are_merged_while_more_are_written() -> None:
    """Behind a summary that is not of those, so that no reader has to begin at the beginning."""
    folder = open_object_store(ObjectStore()).sweep("a")
    upkeep, events = Upkeep(folder), sweep(20)
    for number, event in enumerate(events, start=1):
        write(folder, number, event)
        upkeep.look()
        summary = read_summary(folder)
        assert vars(summary.results) == vars(Results(events[:number]))
        assert all(not s.merged for s in folder.segments() if s.last >= summary.place.segment)

    assert len(folder.segments()) < 50
    assert read_journal(folder) == events


def test_a_closed_journal_is_one_file_and_its_summary(folder: SweepFolder) -> None:
    events = sweep(2)
    write(folder, 1, *events[:5])
    with Upkeep(folder):
        journal = Journal(folder)
        for event in events[5:]:
            journal.append(event)
        journal.close()

    segments = folder.segments()
    assert len(segments) == 1
    assert segments[0].merged
    assert files(folder) == [segments[0].name, "results.json"]
    assert read_summary(folder).records == len(events)
    assert vars(read_summary(folder).results) == vars(Results(events))
    folder.delete(folder.SUMMARY)
    assert vars(read_summary(folder).results) == vars(Results(events))


def test_a_summary_of_a_closed_journal_holds_when_the_next_process_writes(folder: SweepFolder) -> None:
    with Upkeep(folder):
        write(folder, 1, *sweep(1))
    before = folder.read(folder.SUMMARY)
    journal = Journal(folder)
    journal.append(start(5.0))
    journal.close()

    assert read_summary(folder).records == len(sweep(1)) + 1
    assert folder.read(folder.SUMMARY) == before
    assert Upkeep(folder)._read().place.segment == folder.segments()[-1].last


def test_it_goes_on_beside_a_writer_and_readers(folder: SweepFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(module, "_LOOK_SECONDS_AWAY", 0.01)
    monkeypatch.setattr(module, "_FEWEST", 20)
    events = sweep(100)
    with Upkeep(folder):
        journal = Journal(folder)
        for count, event in enumerate(events, start=1):
            journal.append(event)
            if count % 100 == 0:
                time.sleep(0.02)
                summary = read_summary(folder)
                assert vars(summary.results) == vars(Results(events[: summary.records]))
        deadline = time.monotonic() + 30
        while not folder.exists(folder.SUMMARY) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert read_summary(folder).records > 0
        journal.close()

    assert vars(read_summary(folder).results) == vars(Results(events))


def test_a_storage_that_fails_is_the_journals_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOOK_SECONDS_AWAY", 0.01)
    store = ObjectStore()
    folder = open_object_store(store).sweep("a")
    events = sweep(60)
    write(folder, 1, *events)
    store.down = "no route to host"
    with Upkeep(folder):
        time.sleep(0.1)

    assert files(folder) == ["000001.jsonl"]
    store.down = None
    assert vars(read_summary(folder).results) == vars(Results(events))


def test_a_journal_that_another_took_over_is_left_to_it(
    folder: SweepFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LOOK_SECONDS", 600.0)  # it looks when the test says so
    monkeypatch.setattr(module, "_LOOK_SECONDS_AWAY", 600.0)
    lease = Lease(folder)
    lease.take()
    with Upkeep(folder, lease.check) as upkeep:
        for number, event in enumerate(events := sweep(60), start=1):
            write(folder, number, event)
        before = files(folder)
        folder.write_json("journal/owner.json", {"host": "elsewhere", "pid": 7, "started": 1, "time": 0.0})
        with pytest.raises(LeaseLostError):
            upkeep.look()

    assert files(folder) == before
    assert read_journal(folder) == events
