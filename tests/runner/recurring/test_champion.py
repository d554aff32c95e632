"""The model in service: put there whole, taken back, told in the history, whatever dies meanwhile."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cluster.errors import ClusterError
from cluster.lease import Lease
from cluster.schedules import ScheduleFolder
from cluster.storage import Storage
from runner.launch import read_spec
from runner.publish import MANIFEST
from runner.recurring import champion as champion_module
from runner.recurring.champion import CROWNING, check_spared, crown, crowned, rollback, settle_record
from runner.recurring.pointer import Champion, read_champion
from tests.cluster.object_store import ObjectStore, open_object_store
from tests.runner.recurring.published import plain_sweep, schedule
from tests.s3 import uri

SCORES = {"model": {"mse": 0.25, "mase": float("nan")}}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.lease._SURE_SECONDS", 0.01)


@pytest.fixture
def nightly(storage: Storage) -> ScheduleFolder:
    """A schedule whose storage holds three sweeps, a, b and c."""
    for name in "abc":
        plain_sweep(storage, name)
    return schedule(storage)


def promote(folder: ScheduleFolder, name: str, **changes: Any) -> Champion:
    sweep = folder.storage.sweep(name)
    given = {"scores": SCORES, "why": f"{name} is better", "by": "a test"} | changes
    return crown(folder, sweep, read_spec(sweep), **given)


def told(folder: ScheduleFolder) -> list[tuple[str, str | None]]:
    records, damaged = folder.history()
    assert not damaged
    return [(record.event, record.sweep) for record in records]


def test_a_champion_is_read_as_it_was_crowned(nightly: ScheduleFolder) -> None:
    assert read_champion(nightly) is None
    settle_record(nightly)

    made = promote(nightly, "a", more={"tick": "2026-01-02T02:00:00+00:00", "as_of": "x"})

    found = read_champion(nightly)
    assert found == made
    assert (found.sweep, found.trial_id, found.epoch, found.previous) == ("a", "00000", 1, None)
    assert found.checkpoint == nightly.storage.sweep("a").inside("best/model.keras")
    assert found.scores == {"model": {"mse": 0.25, "mase": None}}
    assert (found.by, found.why, found.more["as_of"]) == ("a test", "a is better", "x")
    assert abs(dt.datetime.now(dt.UTC) - found.since) < dt.timedelta(minutes=1)
    assert found.check(nightly.storage).name == "a"
    (record,) = nightly.history()[0]
    assert (record.event, record.sweep, record.by, record.reason) == (
        "promoted",
        "a",
        "a test",
        "a is better",
    )
    assert (record.time, record.tick) == (found.since, dt.datetime(2026, 1, 2, 2, tzinfo=dt.UTC))
    assert record.more["scores"] == found.scores


def test_the_one_before_is_kept_and_no_more(nightly: ScheduleFolder) -> None:
    first, second = promote(nightly, "a"), promote(nightly, "b")
    third = promote(nightly, "c")

    assert second.previous == first
    assert third.previous is not None
    assert (third.previous.sweep, third.previous.previous) == ("b", None)
    assert told(nightly) == [("promoted", "a"), ("promoted", "b"), ("promoted", "c")]


def test_once_more_is_the_same(nightly: ScheduleFolder) -> None:
    """Whoever died after a promotion and comes again neither loses the way back nor tells it twice."""
    promote(nightly, "a")
    made = promote(nightly, "b")

    assert promote(nightly, "b", why="again") == made
    assert told(nightly) == [("promoted", "a"), ("promoted", "b")]


def test_back_and_forth(nightly: ScheduleFolder) -> None:
    first = promote(nightly, "a")
    second = promote(nightly, "b")

    back = rollback(nightly, by="me", why="b is worse")
    assert (back.sweep, back.event, back.by, back.why) == ("a", "rolled_back", "me", "b is worse")
    assert back.since > second.since
    assert back.scores == first.scores
    assert back.previous == Champion(**second.__dict__ | {"previous": None})
    assert rollback(nightly, by="me", why="it was not").sweep == "b"

    assert told(nightly) == [
        ("promoted", "a"),
        ("promoted", "b"),
        ("rolled_back", "a"),
        ("rolled_back", "b"),
    ]


def test_there_has_to_be_something_to_go_back_to(nightly: ScheduleFolder) -> None:
    with pytest.raises(
        ClusterError, match=r"^schedule nightly has no champion yet: there is nothing to roll"
    ):
        rollback(nightly, by="me", why="")
    promote(nightly, "a")
    with pytest.raises(
        ClusterError, match="has no champion before sweep a: there is nothing to roll back to"
    ):
        rollback(nightly, by="me", why="")


def test_what_is_not_whole_comes_into_service_neither_forward_nor_back(nightly: ScheduleFolder) -> None:
    storage = nightly.storage
    promote(nightly, "a")
    promote(nightly, "b")
    for name in "ac":
        storage.sweep(name).write("best/model.keras", b"spoilt")

    for move in (lambda: promote(nightly, "c"), lambda: rollback(nightly, by="me", why="")):
        with pytest.raises(ClusterError, match=r"best/model.keras is not the file that was published"):
            move()
    with pytest.raises(ClusterError, match=r"^sweep d has published no best model yet"):
        crown(nightly, storage.sweep("d"), read_spec(storage.sweep("a")), scores={}, why="", by="")

    found = read_champion(nightly)
    assert found is not None
    assert (found.sweep, found.previous and found.previous.sweep) == ("b", "a")


def test_another_best_of_the_same_sweep_is_noticed(nightly: ScheduleFolder) -> None:
    first = promote(nightly, "a")
    promote(nightly, "b")
    plain_sweep(nightly.storage, "b", model="another model")
    found = read_champion(nightly)
    assert found is not None

    with pytest.raises(ClusterError, match="sweep b has published another model since; promote it anew"):
        found.check(nightly.storage)
    again = promote(nightly, "b")

    assert again.manifest != found.manifest
    assert again.previous == first  # the other model of b is there no more
    plain_sweep(nightly.storage, "a", model="another model")
    with pytest.raises(ClusterError, match="sweep a has published another model since"):
        rollback(nightly, by="me", why="")


def test_a_record_that_was_not_written_any_more_is_put_where_it_belongs(
    nightly: ScheduleFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    for name in "ab":
        with monkeypatch.context() as patch:
            patch.setattr(ScheduleFolder, "record", die)
            with pytest.raises(KeyboardInterrupt):
                promote(nightly, name)
        assert told(nightly) == ([] if name == "a" else [("promoted", "a")])
        found = read_champion(nightly)
        assert found is not None
        assert found.sweep == name
        if name == "b":
            settle_record(nightly)
        else:
            promote(nightly, "a")  # which is there already, and told now

    settle_record(nightly)
    assert told(nightly) == [("promoted", "a"), ("promoted", "b")]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sweep": 3}, "sweep is 3"),
        ({"since": "yesterday"}, "Invalid isoformat string: 'yesterday'"),
        ({"since": "2026-01-01T00:00:00"}, "without a zone"),
        ({"event": "won"}, "event is 'won'"),
        ({"epoch": "1"}, 'epoch is "1"'),
        ({"scores": None}, "scores is null"),
        ({"previous": {"sweep": "b"}}, "'trial_id'"),
        ({"manifest": None}, "manifest is null"),
    ],
)
def test_a_pointer_that_is_none_is_refused(
    nightly: ScheduleFolder, change: dict[str, Any], said: str
) -> None:
    promote(nightly, "a")
    nightly.write_json(nightly.CHAMPION, nightly.read_json(nightly.CHAMPION) | change)

    for use in (
        lambda: read_champion(nightly),
        lambda: promote(nightly, "b"),
        lambda: crowned(nightly.storage),
    ):
        with pytest.raises(ClusterError) as error:
            use()
        sentence = str(error.value)
        assert sentence.startswith(
            f"{nightly.inside('champion.json')} does not say which model is in service"
        )
        assert said in sentence
        assert sentence.endswith("take it away and type: recur promote nightly --sweep SWEEP")


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"{", b"null", b'{"sweep": "a"}', b"\xff"])
def test_neither_is_a_file_of_anything_else(nightly: ScheduleFolder, content: bytes) -> None:
    nightly.write(nightly.CHAMPION, content)

    with pytest.raises(ClusterError, match=r"champion\.json"):
        read_champion(nightly)


def test_fields_of_later_versions_are_passed_over(nightly: ScheduleFolder) -> None:
    made = promote(nightly, "a")
    nightly.write_json(nightly.CHAMPION, nightly.read_json(nightly.CHAMPION) | {"colour": "red"})

    assert read_champion(nightly) == made


def test_sweeps_in_service_are_spared(nightly: ScheduleFolder) -> None:
    other = schedule(nightly.storage, "weekly")
    promote(nightly, "a")
    promote(nightly, "b")
    promote(other, "b")

    assert crowned(nightly.storage) == {
        "a": "the champion before the present one of schedule nightly",
        "b": "the champion of schedule weekly",
    }
    check_spared(nightly.storage.sweep("c"))
    with pytest.raises(ClusterError) as error:
        check_spared(nightly.storage.sweep("b"))
    assert str(error.value) == (
        "sweep b is the champion of schedule weekly, and stays; promote another one first"
    )


def test_of_two_promoters_the_second_waits(nightly: ScheduleFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Lease(nightly, CROWNING)
    first.take()
    threading.Timer(0.5, first.release).start()
    begun = time.monotonic()

    promote(nightly, "a")

    assert time.monotonic() - begun > 0.4
    monkeypatch.setattr(champion_module, "_WAIT_SECONDS", 0.2)
    first.take()
    with pytest.raises(ClusterError, match=r"^a promotion of schedule nightly is being run by process "):
        promote(nightly, "b")
    first.release()


def test_many_at_once_come_one_after_the_other(tmp_path: Path) -> None:
    folder = _on_disk(tmp_path)
    threads = [threading.Thread(target=promote, args=(folder, name)) for name in "abcabc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    records = [sweep for _, sweep in told(folder)]
    found = read_champion(folder)
    assert found is not None
    assert found.sweep == records[-1]
    assert found.previous is not None
    assert found.previous.sweep == records[-2]
    assert all(one != other for one, other in pairwise(records))


# Real processes that are killed


PROMOTER = """
import sys
from cluster.schedules import ScheduleFolder
from cluster.storage import Storage
from runner.launch import read_spec
from runner.recurring.champion import crown, rollback
storage = Storage.open(sys.argv[1])
folder = ScheduleFolder.of(storage, "nightly")
job = read_spec(storage.sweep("a"))
print("ready", flush=True)
number = int(sys.argv[2])
while True:
    number += 1
    name = "abc"[number % 3]
    crown(folder, storage.sweep(name), job, scores={"model": {"mse": number}}, why=f"{number}", by="p")
    if number % 5 == 0:
        rollback(folder, by="p", why=f"{number} back")
"""


def _on_disk(tmp_path: Path) -> ScheduleFolder:
    storage = Storage.open(str(tmp_path / "sweeps"))
    for name in "abc":
        plain_sweep(storage, name)
    return schedule(storage)


class Reader(threading.Thread):
    """Reads the champion without a pause, and keeps what it did not like."""

    def __init__(self, folder: ScheduleFolder) -> None:
        super().__init__(daemon=True)
        self.folder, self.reads, self.wrong, self.over = folder, 0, [], False
        self.seen: set[str] = set()

    def run(self) -> None:
        while not self.over:
            try:
                found = read_champion(self.folder)
                assert found is not None
                assert found.check(self.folder.storage).name == found.sweep
                self.seen.add(found.why)
            except (ClusterError, AssertionError) as error:
                self.wrong.append(repr(error))
            self.reads += 1


def test_a_champion_is_whole_whoever_is_killed_while_promoting(tmp_path: Path) -> None:
    folder, chance = _on_disk(tmp_path), np.random.default_rng(7)
    promote(folder, "a")
    reader = Reader(folder)
    reader.start()
    for night in range(20):
        command = [sys.executable, "-c", PROMOTER, folder.storage.uri, str(night)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(chance.uniform(0, 0.2))
            os.kill(process.pid, signal.SIGKILL)
        found = read_champion(folder)
        assert found is not None
        found.check(folder.storage)
    reader.over = True
    reader.join()

    assert not reader.wrong
    assert reader.reads > 100
    assert len(reader.seen) > 20
    settle_record(folder)
    records, damaged = folder.history()
    assert not damaged
    found = read_champion(folder)
    assert found is not None
    assert (records[-1].sweep, records[-1].reason) == (found.sweep, found.why)
    reasons = {record.reason for record in records}
    assert reader.seen <= reasons  # nothing was in service of which the history does not know
    promote(folder, "a" if found.sweep != "a" else "b")


def test_it_is_all_the_same_on_s3(server: int) -> None:
    storage = Storage.open(uri(server, "sweeps"))
    for name in "ab":
        plain_sweep(storage, name)
    folder = schedule(storage)
    assert read_champion(folder) is None

    promote(folder, "a")
    promote(folder, "b")
    rollback(folder, by="me", why="back")

    found = read_champion(folder)
    assert found is not None
    assert (found.sweep, found.previous and found.previous.sweep) == ("a", "b")
    assert told(folder) == [("promoted", "a"), ("promoted", "b"), ("rolled_back", "a")]
    assert sorted(crowned(storage)) == ["a", "b"]


def test_of_two_promoters_on_an_object_store_one_is_sure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both may be told that nobody is there; the one that signed first gives way, and comes second."""
    monkeypatch.setattr("cluster.lease._SURE_SECONDS", 0.3)
    storage = open_object_store(ObjectStore())
    plain_sweep(storage, "a")
    folder = schedule(storage)
    sign = {"host": "elsewhere", "pid": 7, "started": 1}

    def intrude() -> None:
        folder.write_json(f"{CROWNING}.json", sign | {"time": time.time()})
        time.sleep(0.5)
        folder.delete(f"{CROWNING}.json")

    threading.Timer(0.1, intrude).start()
    begun = time.monotonic()
    promote(folder, "a")

    assert time.monotonic() - begun > 0.6
    assert json.loads(folder.read(folder.CHAMPION))["sweep"] == "a"


def test_a_manifest_that_is_gone_is_one_sentence(nightly: ScheduleFolder) -> None:
    made = promote(nightly, "a")
    nightly.storage.sweep("a").delete(f"best/{MANIFEST}")

    with pytest.raises(ClusterError, match=r"^sweep a has published no best model yet"):
        made.check(nightly.storage)
