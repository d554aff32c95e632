"""What a sweep's folder holds beside its journal follows from that."""

from __future__ import annotations

import io
import json
import time
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from cluster.errors import ClusterError
from cluster.lease import Lease, lease_holder
from cluster.storage import Storage, SweepFolder
from jobs.jobfile import dump_job
from runner.cli import cli, exit_code
from runner.data import open_job_panel
from runner.journal import Event, encode, read_journal
from runner.launch import read_spec
from runner.publish import best_model, finite, origin_of, publish_best
from runner.rebuild import rebuild
from runner.results import Results
from runner.summary import read_summary
from runner.table import trials_parquet
from tests.runner.curves import make_job
from tests.runner.events import end, finish, leg, start, trained, trial
from tests.runner.test_publish import SCORES, panel

WHOLE = {"fingerprint": panel().fingerprint(), "versions": {"keras": "3.0.0"}}
EVENTS: list[Event] = [
    start() | WHOLE,
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


def put_model(folder: SweepFolder) -> None:
    """The best epoch's of the best trial."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("weights", b"1" * 100)
    folder.write(folder.model("00001", 1), buffer.getvalue())


def published(folder: SweepFolder, error: str | None = None) -> dict[str, bytes]:
    """What a run has published, and the event that its journal holds of that; the run is over."""
    put_model(folder)
    results, job = Results(EVENTS), read_spec(folder)
    found = best_model(folder, results)
    assert found
    origin = origin_of(job, panel(), found, results)
    scores = None if error else finite(SCORES)
    publish_best(folder, job, found, origin, scores, error)
    scored = {"event": "scored", "trial": "00001", "epoch": 1, "scores": scores, "error": error}
    last = [scored | {"signature": origin.signature}, finish("done")]
    folder.write(folder.segment(2), b"".join(map(encode, [*EVENTS[5:], *last])))
    return best_files(folder)


def best_files(folder: SweepFolder) -> dict[str, bytes]:
    return {name: folder.read(folder.best(name)) for name in folder.files("best")}


def test_the_table_and_the_summary_are_made_anew_and_the_journal_is_merged(folder: SweepFolder) -> None:
    published(folder)
    results = Results(read_journal(folder))
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
        ({"trial_id": "00001", "epoch": 1}, "files that are not those of its manifest"),
        ({"trial_id": "00000", "epoch": 2}, "epoch 2 of trial 00000"),
        ({"trial_id": "00001", "epoch": 2}, "epoch 2 of trial 00001"),
        ({"files": []}, "a manifest that cannot be read"),
        (None, "no manifest"),
    ],
)
def test_a_published_best_that_is_not_the_journals_is_told(
    folder: SweepFolder, manifest: dict[str, Any] | None, holds: str
) -> None:
    if manifest is not None:
        publish(folder, **manifest)

    told = rebuild(folder)

    assert told == (
        f"{folder.inside('best')} holds {holds}, and the journal's best is epoch 1 of trial 00001; its model "
        "is not in checkpoints either: restore it from a copy, or search again with --fresh"
    )


@pytest.mark.parametrize("error", [None, "no memory"])
@pytest.mark.parametrize("lost", ["all", "model.keras", "metrics.json", "manifest.json"])
def test_a_best_that_was_lost_is_published_anew(folder: SweepFolder, lost: str, error: str | None) -> None:
    """From the checkpoint and the journal: of the data nothing is there any more."""
    before = published(folder, error)
    for name in before if lost == "all" else [lost]:
        folder.delete(folder.best(name))

    told = rebuild(folder)

    assert told
    assert told.endswith("and the journal's best is epoch 1 of trial 00001; it is published anew")
    assert best_files(folder) == before
    assert rebuild(folder) is None


def test_a_best_with_a_damaged_file_is_published_anew(folder: SweepFolder) -> None:
    before = published(folder)
    folder.write(folder.best("model.keras"), b"nonsense")

    assert rebuild(folder) == (
        f"{folder.inside('best')} holds files that are not those of its manifest, and the journal's best is "
        "epoch 1 of trial 00001; it is published anew"
    )

    assert best_files(folder) == before


def test_a_damaged_checkpoint_is_not_published(folder: SweepFolder) -> None:
    for name in published(folder):
        folder.delete(folder.best(name))
    folder.write(folder.model("00001", 1), b"nonsense")

    told = rebuild(folder)

    assert told
    assert (
        f"it could not be published anew: {folder.inside('checkpoints/00001')}/model-000001.keras is" in told
    )
    assert folder.files("best") == []


def put_data(root: Path, values: list[float], ids: list[str]) -> str:
    times = pa.array(list(range(len(values) // len(set(ids)))) * len(set(ids)))
    pq.write_table(pa.table({"t": times, "y": values, "id": ids}), root / "data.parquet")
    return str(root / "data.parquet")


def by_series(tmp_path: Path, folder: SweepFolder) -> dict[str, bytes]:
    """A finished sweep whose model scales each series by its own, and what it has published."""
    path = put_data(tmp_path, [float(n % 7 + 10 * (n // 200)) for n in range(400)], ["a"] * 200 + ["b"] * 200)
    job = make_job(data={"path": path, "series": "id"}, window={"scale_by": "series", "lookback": 4})
    folder.write(folder.SPEC, dump_job(job).encode())
    put_model(folder)
    opened = open_job_panel(job)
    events = [EVENTS[0] | {"fingerprint": opened.fingerprint()}, *EVENTS[1:]]
    results = Results(events)
    found = best_model(folder, results)
    assert found
    origin = origin_of(job, opened, found, results)
    publish_best(folder, job, found, origin, finite(SCORES))
    scored = {"event": "scored", "trial": "00001", "epoch": 1, "scores": finite(SCORES), "error": None}
    folder.write(folder.segment(1), b"".join(map(encode, events[:5])))
    last = [scored | {"signature": origin.signature}, finish("done")]
    folder.write(folder.segment(2), b"".join(map(encode, [*events[5:], *last])))
    before = best_files(folder)
    for name in before:
        folder.delete(folder.best(name))
    return before


def test_scaling_by_series_is_made_from_the_data_anew(tmp_path: Path, folder: SweepFolder) -> None:
    before = by_series(tmp_path, folder)

    told = rebuild(folder)

    assert told
    assert told.endswith("; it is published anew")
    assert "scaler.parquet" in before
    assert best_files(folder) == before


def test_of_other_data_it_is_not_made(tmp_path: Path, folder: SweepFolder) -> None:
    by_series(tmp_path, folder)
    path = put_data(tmp_path, [float(n % 5) for n in range(400)], ["a"] * 200 + ["b"] * 200)

    told = rebuild(folder)

    assert told
    assert told.endswith(
        f"; it could not be published anew: {path}: the data have changed since, and its scaling of each "
        "series was made from them"
    )
    assert folder.files("best") == []


def test_without_the_data_that_is_said(tmp_path: Path, folder: SweepFolder) -> None:
    by_series(tmp_path, folder)
    (tmp_path / "data.parquet").unlink()

    told = rebuild(folder)

    assert told
    assert "; it could not be published anew: " in told
    assert "data.parquet" in told


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
        "00001; its model is not in checkpoints either: restore it from a copy, or search again with "
        "--fresh\n"
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
