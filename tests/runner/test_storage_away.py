"""A sweep whose storage goes away in its middle and comes back slow; one whose storage does not come back."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Self

import pytest

from cluster.errors import StorageAwayError
from cluster.lease import Lease
from cluster.storage import Storage, SweepFolder
from runner import flushing
from runner.cli import exit_code
from runner.journal import read_journal
from runner.publish import read_best, read_manifest
from runner.stopping import StopRequest
from tests.runner.command import JobWriter
from tests.s3 import Faults, faulty_way, uri

AWAY_SECONDS = 15.0


class Outage:
    """Takes the way away once a sweep has so many results on storage, and makes it slow afterwards."""

    def __init__(self, folder: SweepFolder, results: int, seconds: float) -> None:
        self._folder, self._results, self._seconds = folder, results, seconds
        self.way = "ok"
        self.before = 0
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    def _run(self) -> None:
        deadline = time.monotonic() + 300
        while (before := len(results_of(self._folder))) < self._results and time.monotonic() < deadline:
            time.sleep(0.1)
        self.before = before
        for self.way in ("hang", "cut", "500"):
            time.sleep(self._seconds / 3)
        self.way = "late"


def results_of(folder: SweepFolder) -> list[tuple[str, int]]:
    return [(e["trial"], e["epoch"]) for e in read_journal(folder) if e["event"] == "result"]


def test_a_sweep_outlives_its_storage_and_loses_and_repeats_nothing(
    server: int, tmp_path: Path, write_job: JobWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    job, folder = write_job(tmp_path, trials=4, epochs=3), SweepFolder.from_uri(uri(server, "away/small"))
    outage = Outage(folder, results=3, seconds=AWAY_SECONDS)
    faults = Faults(lambda _: outage.way)
    options = ["--set", "search.scheduler=none", "--set", "train.early_stopping=null", "--json"]
    with faulty_way(server, faults) as port, outage:
        assert exit_code(["run", str(job), "--storage", uri(port, "away"), *options]) == 0

    found = json.loads(capsys.readouterr().out)
    assert 3 <= outage.before < 12, "it went away in the middle"
    assert {"hang", "cut", "500", "late"} <= set(faults.done)
    assert found["seconds"] > AWAY_SECONDS
    assert found["trials"]["done"] == 4
    assert Counter(results_of(folder)) == {(f"{n:05d}", epoch): 1 for n in range(4) for epoch in (1, 2, 3)}
    manifest = read_manifest(folder)
    assert manifest["trial_id"] == found["trial_id"]
    assert all(read_best(folder, name) for name in manifest["files"])


def test_a_sweep_whose_storage_stays_away_fails_in_a_sentence_and_is_resumed(
    server: int,
    tmp_path: Path,
    write_job: JobWriter,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(flushing, "_PATIENCE", 5.0)
    monkeypatch.setattr("cluster.lease.SWEEP_SECONDS", 5.0)
    job, folder = write_job(tmp_path, trials=4, epochs=3), SweepFolder.from_uri(uri(server, "gone/small"))
    outage = Outage(folder, results=3, seconds=30.0)
    options = ["--set", "search.scheduler=none", "--set", "train.early_stopping=null", "--json"]
    with faulty_way(server, Faults(lambda _: "ok" if outage.way == "ok" else "cut")) as port, outage:
        assert exit_code(["run", str(job), "--storage", uri(port, "gone"), *options]) == 1

    sentence = capsys.readouterr().err.splitlines()[-1]
    assert sentence.startswith("Failed: s3://bucket/gone/small")
    assert "the storage has not answered" in sentence
    assert "a sweep can be resumed" in sentence
    before = results_of(folder)
    folder.delete("journal/owner.json")  # this process, which held the sweep, still lives
    assert exit_code(["run", str(job), "--storage", uri(server, "gone"), *options]) == 0
    assert results_of(folder)[: len(before)] == before
    assert set(Counter(results_of(folder)).values()) == {1}
    assert json.loads(capsys.readouterr().out)["trials"]["done"] == 4


def test_a_command_gives_up_soon(server: int, capsys: pytest.CaptureFixture[str]) -> None:
    with faulty_way(server, Faults(lambda _: "cut")) as port:
        begun = time.monotonic()
        assert exit_code(["status", "small", "--storage", uri(port, "away")]) == 1

    assert time.monotonic() - begun < 20
    sentence = capsys.readouterr().err
    assert sentence.startswith("Failed: s3://bucket/away/small/spec.yaml")
    assert sentence.count("\n") == 1


def test_a_request_to_stop_is_left_to_whoever_took_the_sweep_over(tmp_path: Path) -> None:
    lease = Lease(Storage.open(str(tmp_path)).sweep("a"))
    lease.take()
    request = StopRequest(lease.folder, lease.check)
    owner = lease.folder.read_json("journal/owner.json")
    lease.folder.write_json(SweepFolder.STOP, {})
    lease.folder.write_json("journal/owner.json", owner | {"host": "elsewhere"})

    request.close()

    assert lease.folder.exists(SweepFolder.STOP)
    lease.folder.write_json("journal/owner.json", owner)
    request.close()
    assert not lease.folder.exists(SweepFolder.STOP)


def test_a_request_to_stop_whose_storage_is_away_covers_no_other_error(server: int) -> None:
    way = "ok"
    with faulty_way(server, Faults(lambda _: way)) as port:
        folder = SweepFolder.from_uri(uri(port, "stop/a"))
        request = StopRequest(folder)
        folder.write_json(SweepFolder.STOP, {})
        way = "cut"
        request.close()
        with pytest.raises(StorageAwayError):
            folder.impatient().exists(SweepFolder.STOP)
