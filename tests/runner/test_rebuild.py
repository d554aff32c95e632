"""What a sweep's folder holds beside its journal follows from that."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from cluster.errors import ClusterError
from cluster.lease import Lease, lease_holder
from cluster.storage import Storage, SweepFolder
from jobs.jobfile import dump_job
from runner.cli import cli, exit_code
from runner.journal import Event, encode
from runner.rebuild import rebuild
from runner.results import Results, trials_parquet
from runner.summary import read_summary
from tests.runner.curves import make_job
from tests.runner.events import end, finish, leg, start, trained, trial

EVENTS: list[Event] = [
    start(),
    *(trial(0, units=3), leg(0), *trained(0, 0.5, 0.4), end(0)),
    *(trial(1, units=4), leg(1), *trained(1, 0.3, 0.6), end(1)),
]


@pytest.fixture
def folder(storage: Storage) -> SweepFolder:
    """A sweep that is done, in two segments."""
    folder = storage.sweep("a")
    folder.write(folder.SPEC, dump_job(make_job()).encode())
    folder.write(folder.segment(1), b"".join(map(encode, EVENTS[:5])))
    folder.write(folder.segment(2), b"".join(map(encode, [*EVENTS[5:], finish("done")])))
    return folder


def publish(folder: SweepFolder, **manifest: Any) -> None:
    folder.write_json(folder.best("manifest.json"), manifest)


def test_the_table_and_the_summary_are_made_anew_and_the_journal_is_merged(folder: SweepFolder) -> None:
    results = Results([*EVENTS, finish("done")])
    folder.write(folder.TRIALS, b"nonsense")
    folder.write(folder.SUMMARY, b"nonsense")

    assert rebuild(folder) is None

    table = pq.read_table(io.BytesIO(folder.read(folder.TRIALS)))
    assert table.equals(pq.read_table(io.BytesIO(trials_parquet(results))))
    assert [segment.name for segment in folder.segments()] == ["000001-000002.jsonl.gz"]
    assert vars(read_summary(folder).results) == vars(results)
    assert read_summary(folder).place.segment == 3


def test_a_summary_that_says_something_else_is_not_asked(folder: SweepFolder) -> None:
    """Though it would be believed."""
    other = folder.storage.sweep("b")
    changed = [event | {"score": 0.1, "best_score": 0.1} if "score" in event else event for event in EVENTS]
    other.write(other.segment(1), b"".join(map(encode, changed[:5])))
    other.write(other.segment(2), b"".join(map(encode, [*changed[5:], finish("done")])))
    rebuild(other)
    folder.write(folder.SUMMARY, other.read(other.SUMMARY))
    best = read_summary(folder).results.best()
    assert best is not None
    assert best.score == 0.1

    rebuild(folder)

    assert vars(read_summary(folder).results) == vars(Results([*EVENTS, finish("done")]))


def test_a_sweep_whose_process_died_is_rebuilt_as_interrupted(folder: SweepFolder) -> None:
    folder.write(folder.segment(2), b"".join(map(encode, EVENTS[5:-1])))

    rebuild(folder)

    table = pq.read_table(io.BytesIO(folder.read(folder.TRIALS)))
    assert table["state"].to_pylist() == ["done", "paused"]


@pytest.mark.parametrize(
    ("manifest", "holds"),
    [
        ({"trial_id": "00001", "epoch": 1}, None),
        ({"trial_id": "00000", "epoch": 2}, "epoch 2 of trial 00000"),
        ({"trial_id": "00001", "epoch": 2}, "epoch 2 of trial 00001"),
        ({"files": []}, "a manifest that cannot be read"),
    ],
)
def test_a_published_best_that_is_not_the_journals_is_told(
    folder: SweepFolder, manifest: dict[str, Any], holds: str | None
) -> None:
    publish(folder, **manifest)

    told = rebuild(folder)

    assert told == (
        f"{folder.inside('best')} holds {holds}, and the journal's best is epoch 1 of trial 00001; "
        "restore it from a copy, or search again with --fresh"
        if holds
        else None
    )


def test_one_of_an_unfinished_sweep_is_published_by_its_next_run(folder: SweepFolder) -> None:
    folder.write(folder.segment(2), b"")
    publish(folder, trial_id="00000", epoch=1)

    told = rebuild(folder)

    assert told == (
        f"{folder.inside('best')} holds epoch 1 of trial 00000, and the journal's best is epoch 2 of trial "
        "00000; the sweep's next run publishes it"
    )


def test_a_sweep_that_is_being_run_is_left_alone(folder: SweepFolder) -> None:
    lease = Lease(folder)
    lease.take()
    before = folder.files(folder.JOURNAL)

    with pytest.raises(ClusterError, match="sweep a is being run by process "):
        rebuild(folder)

    assert folder.files(folder.JOURNAL) == before
    lease.release()


def test_a_damaged_journal_is_an_error_and_changes_nothing(folder: SweepFolder) -> None:
    folder.write(folder.segment(1), b"garbage\n" + encode(EVENTS[0]))
    folder.write(folder.SUMMARY, b"old")

    with pytest.raises(ClusterError, match="line 1 is damaged"):
        rebuild(folder)

    assert folder.read(folder.SUMMARY) == b"old"
    assert not folder.exists(folder.TRIALS)
    Lease(folder).take()  # it was given back


def test_the_command_rebuilds_and_then_shows(tmp_path: Path) -> None:
    folder = Storage.open(str(tmp_path)).sweep("a")
    folder.write(folder.SPEC, dump_job(make_job()).encode())
    folder.write(folder.segment(1), b"".join(map(encode, [*EVENTS, finish("done")])))
    publish(folder, trial_id="00000", epoch=2)

    done = CliRunner().invoke(cli, ["trials", folder.uri, "--rebuild", "--json"])

    assert done.exit_code == 0
    assert [trial["id"] for trial in json.loads(done.stdout)] == ["00000", "00001"]
    assert done.stderr == (
        "trials.parquet and what sums up the journal of a are made anew\n"
        f"Note: {folder.uri}/best holds epoch 2 of trial 00000, and the journal's best is epoch 1 of trial "
        "00001; restore it from a copy, or search again with --fresh\n"
    )
    assert folder.exists(folder.TRIALS)


def test_the_lease_is_held_and_renewed_to_the_end(
    folder: SweepFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the table of a large sweep takes."""
    monkeypatch.setattr("cluster.lease._LOOK_SECONDS", 0.01)
    monkeypatch.setattr("cluster.lease._STALE", 0.3)
    ages: list[float] = []

    def slow_table(results: Results) -> bytes:
        for _ in range(20):
            time.sleep(0.05)
            ages.append(time.time() - folder.read_json("journal/owner.json")["time"])
        return trials_parquet(results)

    monkeypatch.setattr("runner.rebuild.trials_parquet", slow_table)

    rebuild(folder)

    assert max(ages) < 0.3
    assert lease_holder(folder) is None


def test_a_folder_that_cannot_be_written_is_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Storage.open(str(tmp_path)).sweep("a")
    folder.write(folder.SPEC, dump_job(make_job()).encode())
    folder.write(folder.segment(1), b"".join(map(encode, [*EVENTS, finish("done")])))
    lock = tmp_path / "a" / "journal" / "owner.lock"
    lock.mkdir()  # root may write whatever is forbidden to others

    assert exit_code(["trials", folder.uri, "--rebuild"]) == 2

    assert capsys.readouterr().err == f"Error: {lock}: cannot be written (Is a directory)\n"
