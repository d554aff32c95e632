"""A merged journal says what the segments said, to every reader and at every moment."""

from __future__ import annotations

import gzip
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster.errors import ClusterError
from cluster.storage import Storage, SweepFolder
from runner import journal as journal_module
from runner.compaction import merge, merge_latest, needed
from runner.conductor import Conductor
from runner.journal import Event, decode, encode, read_journal
from runner.results import Results
from runner.summary import read_summary
from runner.upkeep import Upkeep
from runner.writer import Journal
from tests.cluster.object_store import ObjectStore, open_object_store
from tests.runner.curves import SEEDS, TROUBLE, WORKERS
from tests.runner.events import end, finish, leg, pause, start, trained, trial, write
from tests.runner.pool import Lines, make_conductor
from tests.runner.sweeps import SCHEDULERS, eventful_journal, job_of
from tests.runner.syncs import Syncs


def told(events: list[Event]) -> list[Event]:
    """What is left of them in a merged journal."""
    lines = needed([encode(event) for event in events])
    return [event for event, _ in decode(b"".join(lines))]


def names(folder: SweepFolder) -> list[str]:
    return [segment.name for segment in folder.segments()]


def everything(conductor: Conductor) -> dict[str, Any]:
    """All that a conductor remembers, of which later decisions are made."""
    parts = {
        "state": vars(conductor.state),
        "results": vars(conductor.results),
        "scheduler": vars(conductor._scheduler),
        "searcher": vars(conductor._searcher),
    }
    rules = {"_searcher", "_scheduler", "_space", "results"}
    return {name: {k: v for k, v in found.items() if k not in rules} for name, found in parts.items()}


@settings(deadline=None, max_examples=80)
@given(SCHEDULERS, SEEDS, WORKERS, TROUBLE, st.data())
def test_a_replay_of_what_is_left_is_a_replay_of_all(
    scheduler: str, seed: int, workers: int, trouble: float, data: st.DataObject
) -> None:
    """Of a sweep that was killed, resumed, lost workers, and was merged in two parts, whichever they are."""
    job = job_of(scheduler)
    events = eventful_journal(job, seed, workers, trouble, data)
    cut = data.draw(st.integers(0, len(events)))

    left = told(events[:cut]) + told(events[cut:])

    whole, again = (make_conductor(job, past, Lines()) for past in (events, left))
    assert everything(again) == everything(whole)
    dropped = [event for event in events if event not in left]
    assert {event["event"] for event in dropped} <= {"pause"}


def test_pauses_that_were_followed_by_a_leg_or_an_end_are_dropped() -> None:
    events: list[Event] = [
        start(),
        *(trial(n) for n in range(3)),
        *(leg(n) for n in range(3)),
        *(pause(n) for n in range(3)),
        leg(0, 1),
        end(1, "stopped_early"),
    ]
    events = [event | {"time": float(n)} for n, event in enumerate(events)]

    assert [event for event in events if event not in told(events)] == [events[7], events[8]]


def test_a_processs_last_sign_of_life_is_kept() -> None:
    """Its time is what the seconds are counted to."""
    events = [
        *(start(0.0), trial(0) | {"time": 1.0}, leg(0) | {"time": 2.0}, pause(0) | {"time": 50.0}),
        *(start(100.0), leg(0, 1) | {"time": 101.0}, end(0) | {"time": 102.0}, finish("done", 103.0)),
    ]

    assert told(events) == events
    assert Results(told(events)).seconds == 53.0


def test_all_segments_become_one_small_file_that_supersedes_them(folder: SweepFolder) -> None:
    events = [start(), trial(0), *trained(0, *(1 / n for n in range(1, 200)))]
    for number, event in enumerate(events, start=1):
        write(folder, number, event)
    raw = sum(folder.size(folder.segment(number)) for number in range(1, len(events) + 1))

    merge(folder, before=len(events) + 1)

    merged = f"000001-{len(events):06d}.jsonl.gz"
    assert folder.files(folder.JOURNAL) == [merged]
    assert folder.size(folder.journal(merged)) < raw / 4
    assert read_journal(folder) == events


def test_a_new_process_writes_behind_what_was_merged(folder: SweepFolder) -> None:
    for number in (1, 2, 3):
        write(folder, number, trial(number))
    merge(folder, before=4)

    opened = Journal(folder)
    opened.append(trial(4))
    opened.close()

    assert names(folder) == ["000001-000003.jsonl.gz", "000004.jsonl"]
    assert read_journal(folder) == [trial(number) for number in (1, 2, 3, 4)]
    merge(folder, before=5)
    assert names(folder) == ["000001-000004.jsonl.gz"]
    assert read_journal(folder) == [trial(number) for number in (1, 2, 3, 4)]


def test_the_segment_that_is_being_written_is_left_alone(folder: SweepFolder) -> None:
    for number in (1, 2, 3):
        write(folder, number, trial(number))

    merge(folder, before=3)

    assert names(folder) == ["000001-000002.jsonl.gz", "000003.jsonl"]


def test_one_small_segment_stays_as_it_is_and_a_large_one_is_compressed(folder: SweepFolder) -> None:
    write(folder, 1, trial(1))
    merge(folder, before=2)
    assert names(folder) == ["000001.jsonl"]

    events = [trial(number) | {"values": {"padding": "x" * 1000}} for number in range(1100)]
    write(folder, 1, *events)
    merge(folder, before=2)

    assert names(folder) == ["000001-000001.jsonl.gz"]
    assert read_journal(folder) == events
    merge(folder, before=2)
    assert names(folder) == ["000001-000001.jsonl.gz"]


def test_what_was_merged_is_on_the_disk_before_the_segments_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Storage.open(str(tmp_path)).sweep("a")
    for number in (1, 2):
        write(folder, number, trial(number))
    before, syncs = names(folder), Syncs(monkeypatch)
    files = set(folder.files(folder.JOURNAL))

    merge(folder, before=3)

    assert len(before) == 2
    assert syncs.last(tmp_path / "a" / "journal") == files | set(names(folder))


def test_a_crash_between_writing_and_deleting_loses_and_repeats_nothing(folder: SweepFolder) -> None:
    for number in (1, 2, 3):
        write(folder, number, trial(number))
    merge(folder, before=4)
    for number in (2, 3):  # were not deleted yet
        write(folder, number, trial(number))

    assert read_journal(folder) == [trial(number) for number in (1, 2, 3)]

    merge(folder, before=4)
    assert folder.files(folder.JOURNAL) == ["000001-000003.jsonl.gz"]


def test_a_torn_record_is_left_out_when_its_segment_is_merged(folder: SweepFolder) -> None:
    folder.write(folder.segment(1), encode(trial(1)) + encode(trial(2))[:-5])
    write(folder, 2, trial(3))

    merge(folder, before=3)

    assert read_journal(folder) == [trial(1), trial(3)]


def test_a_damaged_segment_is_not_merged(folder: SweepFolder) -> None:
    folder.write(folder.segment(1), b"garbage\n" + encode(trial(1)))
    write(folder, 2, trial(2))

    with pytest.raises(ClusterError, match="line 1 is damaged and whole ones follow it"):
        merge(folder, before=3)

    assert names(folder) == ["000001.jsonl", "000002.jsonl"]


@pytest.mark.parametrize("damage", [slice(0, -1), slice(0, 20), slice(5, None)])
def test_a_merged_file_that_is_damaged_is_an_error(folder: SweepFolder, damage: slice) -> None:
    """It was whole once, and what it superseded is no more."""
    for number in (1, 2):
        write(folder, number, trial(number))
    merge(folder, before=3)
    merged = folder.journal("000001-000002.jsonl.gz")
    folder.write(merged, folder.read(merged)[damage])

    with pytest.raises(ClusterError) as error:
        read_journal(folder)

    assert str(error.value).startswith(f"{folder.inside(merged)}: is damaged (")
    assert str(error.value).endswith("; restore the file from a copy, or begin again with --fresh")


def test_a_long_run_leaves_few_files_and_merges_a_record_few_times() -> None:
    """The second is what keeps an object store cheap."""
    store = ObjectStore()
    folder = open_object_store(store).sweep("a")
    written, most = 0, 0
    for number in range(1, 2001):
        write(folder, number, *trained(number, 0.5))
        before = set(folder.files(folder.JOURNAL))
        merge_latest(folder, before=number, least=16)
        after = folder.files(folder.JOURNAL)
        written += sum(folder.size(folder.journal(name)) for name in set(after) - before)
        most = max(most, len(after))

    assert most < 16 + 10
    assert written < 10 * sum(folder.size(folder.journal(name)) for name in after)
    assert read_journal(folder) == [event for number in range(1, 2001) for event in trained(number, 0.5)]


def test_a_journal_is_read_while_it_is_merged(folder: SweepFolder) -> None:
    """Segments that go while they are read are looked for in what superseded them."""
    stop = threading.Event()
    counts: list[int] = []

    def read() -> None:
        while not stop.is_set():
            found = read_journal(folder)
            assert [event["number"] for event in found] == list(range(1, len(found) + 1))
            counts.append(len(found))

    reader = threading.Thread(target=read)
    write(folder, 1, trial(1))
    reader.start()
    for number in range(2, 400):
        write(folder, number, trial(number))
        merge_latest(folder, before=number, least=3)
    stop.set()
    reader.join()

    assert counts == sorted(counts)
    assert len(read_journal(folder)) == 399


def test_nothing_is_merged_over_a_hole(folder: SweepFolder) -> None:
    for number in (1, 2, 4, 5):
        write(folder, number, trial(number))

    with pytest.raises(ClusterError, match=r"^sweep a: journal/000003\.jsonl is missing from "):
        merge(folder, before=6)
    with pytest.raises(ClusterError, match=r"^sweep a: journal/000003\.jsonl is missing from "):
        merge_latest(folder, before=6, least=2)

    assert folder.files(folder.JOURNAL) == [f"00000{number}.jsonl" for number in (1, 2, 4, 5)]


def test_a_merged_segment_that_swells_or_ends_too_early_is_damaged(
    folder: SweepFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "_LARGEST", 1 << 20)
    data = gzip.compress(bytes(1 << 20) + b"1")
    for content, said in ((data, "it holds more than 0 GiB"), (data[:-12], "it ends too early")):
        folder.write("journal/000001-000002.jsonl.gz", content)
        with pytest.raises(ClusterError) as error:
            read_journal(folder)

        assert str(error.value) == (
            f"{folder.uri}/journal/000001-000002.jsonl.gz: is damaged ({said}); restore the file from a "
            "copy, or begin again with --fresh"
        )


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of a journal are full, and too large, as soon as they hold a few records."""
    monkeypatch.setattr(journal_module, "FULL", 300)
    monkeypatch.setattr(journal_module, "MERGED", 1000)
    monkeypatch.setattr(journal_module, "_LARGEST", 2000)


def held(folder: SweepFolder) -> list[int]:
    """Bytes of lines in each file."""
    contents = (folder.read(folder.journal(name)) for name in folder.files(folder.JOURNAL))
    return [len(gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data) for data in contents]


def write_on(folder: SweepFolder, events: list[Event]) -> None:
    opened = Journal(folder)
    for event in events:
        opened.append(event)
    opened.close()


@pytest.mark.usefixtures("small")
def test_a_process_writes_another_segment_when_one_is_full(folder: SweepFolder) -> None:
    """On an object store whatever waits there, too."""
    events = [trial(number, units=number) for number in range(40)]
    large = trial(40) | {"values": {"padding": "x" * 400}}

    write_on(folder, [*events, large, trial(41)])

    assert read_journal(folder) == [*events, large, trial(41)]
    sizes = held(folder)
    assert len(sizes) >= 15
    assert [size for size in sizes if size > 300] == [len(encode(large))]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("latest", [False, True])
def test_no_merged_file_holds_more_than_a_reader_takes(folder: SweepFolder, latest: bool) -> None:  # noqa: FBT001 - a parameter
    events = [trial(number, units=number) for number in range(100)]
    for number in range(10):
        write_on(folder, events[10 * number : 10 * number + 10])
        closed = folder.segments()[-1].last + 1
        if latest:
            merge_latest(folder, before=closed, least=2)
        else:
            merge(folder, before=closed)

        assert read_journal(folder) == events[: 10 * number + 10]
        assert max(held(folder)) <= 1000
    once = folder.files(folder.JOURNAL)
    merge(folder, before=folder.segments()[-1].last + 1)
    merge(folder, before=folder.segments()[-1].last + 1)

    assert read_journal(folder) == events
    assert len(folder.files(folder.JOURNAL)) <= len(once)
    assert max(held(folder)) <= 1000


@pytest.mark.usefixtures("small")
def test_what_was_merged_as_far_as_may_be_is_not_merged_again(
    folder: SweepFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_on(folder, [trial(number, units=number) for number in range(100)])
    merge(folder, before=folder.segments()[-1].last + 1)
    before = folder.files(folder.JOURNAL)
    written: list[Any] = []
    monkeypatch.setattr(SweepFolder, "write", lambda *what: written.append(what))

    merge(folder, before=folder.segments()[-1].last + 1)

    assert (written, folder.files(folder.JOURNAL)) == ([], before)
    assert len(before) > 5


@pytest.mark.parametrize("damage", [slice(0, -1), slice(0, 20), slice(0, 0)])
def test_nothing_is_deleted_before_the_merged_file_is_read_as_it_was_meant(
    folder: SweepFolder, monkeypatch: pytest.MonkeyPatch, damage: slice
) -> None:
    for number in (1, 2, 3):
        write(folder, number, trial(number))
    whole = SweepFolder.write

    def lose(self: SweepFolder, relative: str, data: bytes) -> None:
        whole(self, relative, data[damage])

    monkeypatch.setattr(SweepFolder, "write", lose)
    with pytest.raises(ClusterError) as error:
        merge(folder, before=4)
    monkeypatch.undo()

    merged = folder.inside("journal/000001-000003.jsonl.gz")
    assert str(error.value) == f"{merged}: another file is read than was written; check the storage"
    assert names(folder) == ["000001.jsonl", "000002.jsonl", "000003.jsonl"]
    assert read_journal(folder) == [trial(number) for number in (1, 2, 3)]


def test_what_a_damaged_file_stands_for_is_not_deleted(folder: SweepFolder) -> None:
    """It was left by a process that died before it had read it again."""
    for number in (1, 2):
        write(folder, number, trial(number))
    folder.write("journal/000001-000002.jsonl.gz", b"no gzip file")

    with pytest.raises(ClusterError, match="is damaged"):
        merge(folder, before=3)

    assert folder.files(folder.JOURNAL) == ["000001-000002.jsonl.gz", "000001.jsonl", "000002.jsonl"]


def test_a_process_that_was_taken_over_does_not_write_into_its_followers_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "FULL", 300)
    folder = Storage.open(str(tmp_path)).sweep("a")
    first, second = Journal(folder), Journal(folder)
    second.append(trial(100))

    full = trial(0) | {"values": {"padding": "x" * 300}}
    first.append(full)
    with pytest.raises(ClusterError, match="cannot be written"):
        first.append(trial(1))

    second.append(trial(101))
    assert [event["number"] for event in read_journal(folder)][-2:] == [100, 101]
    assert names(folder) == ["000001.jsonl", "000002.jsonl"]


@pytest.mark.usefixtures("small")
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SCHEDULERS, SEEDS, st.data())
def test_a_replay_after_any_rolls_and_merges_is_a_replay_of_all(
    scheduler: str, seed: int, data: st.DataObject
) -> None:
    """Written by several processes, each rolling as it likes, merged and summed up in between."""
    job = job_of(scheduler)
    events = eventful_journal(job, seed, 3, 0.15, data)
    journal_module.FULL = data.draw(st.integers(1, 3000))
    journal_module.MERGED = data.draw(st.integers(1, 9000))
    journal_module._LARGEST = 12_000
    folder = open_object_store(ObjectStore()).sweep("a")
    begin = 0
    while begin < len(events):
        length = data.draw(st.integers(1, 60))
        with Upkeep(folder) if data.draw(st.booleans()) else nullcontext():
            write_on(folder, events[begin : begin + length])
        begin += length
        if data.draw(st.booleans()):
            merge_latest(folder, before=data.draw(st.integers(1, folder.segments()[-1].last + 1)), least=2)

    found = read_journal(folder)

    whole, again = (make_conductor(job, past, Lines()) for past in (events, found))
    assert everything(again) == everything(whole)
    assert vars(read_summary(folder).results) == vars(Results(events))
    assert [event for event in found if event["event"] != "pause"] == [
        event for event in events if event["event"] != "pause"
    ]
