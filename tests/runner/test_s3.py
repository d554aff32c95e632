"""Shards and sweeps on S3, on a real server program, over a way that fails as networks do."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from pyarrow import fs as pafs

from cluster.files import open_filesystem
from cluster.storage import Storage
from jobs.errors import JobError
from jobs.panel import Panel
from jobs.sample import sample_panel
from jobs.source import Columns
from runner.cli import exit_code
from runner.data import open_panel
from runner.journal import encode, read_journal
from runner.results import Results
from runner.summary import read_summary
from runner.upkeep import Upkeep
from runner.writer import Journal
from tests.runner.command import JobWriter
from tests.runner.events import start, trial
from tests.s3 import KEYS, Faults, faulty_way, s3_server, uri

COLUMNS = Columns("time", "series", ("target",), ("driver",))
SHAPE = {"series": 5, "length": 2000, "shards": 6}
FAULTS: dict[str, Callable[[int], str]] = {
    "every third request fails": lambda number: "500" if number % 3 == 0 else "ok",
    "slow": lambda _: "slow",
    "dropped now and then": lambda number: "drop" if number % 4 == 1 else "ok",
}


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    with pytest.MonkeyPatch.context() as patch, s3_server() as port:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        filesystem, path = open_filesystem(uri(port, "data"))
        sample_panel(path, filesystem, **SHAPE)
        yield port


@pytest.fixture(autouse=True)
def _cold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known of the data yet."""
    monkeypatch.setenv("RECUR_CACHE", str(tmp_path / "cache"))


def local(folder: Path) -> Panel:
    sample_panel(str(folder / "data"), pafs.LocalFileSystem(), **SHAPE)
    return open_panel(str(folder / "data"), COLUMNS)


@pytest.mark.parametrize("way", ["good", *FAULTS])
def test_a_panel_from_s3_is_that_of_a_local_folder(server: int, tmp_path: Path, way: str) -> None:
    faults = Faults(FAULTS.get(way, lambda _: "ok"))
    with faulty_way(server, faults) as port:
        panel = open_panel(uri(port, "data"), COLUMNS)

    wanted = local(tmp_path)
    np.testing.assert_array_equal(panel.rows, wanted.rows)
    assert panel.fingerprint() == wanted.fingerprint()
    assert set(faults.done) > {"ok"} or way in {"good", "slow"}


def test_it_is_listed_but_not_read_again(server: int) -> None:
    first = open_panel(uri(server, "data"), COLUMNS)
    faults = Faults()
    with faulty_way(server, faults) as port:
        again = open_panel(uri(port, "data"), COLUMNS)

    assert again.folder == first.folder
    assert len(faults.done) <= 3


@pytest.mark.parametrize("after", [0, 5])
@pytest.mark.parametrize(("fault", "said"), [("403", "ACCESS_DENIED"), ("500", "HTTP status 500")])
def test_a_storage_that_refuses_is_one_sentence(
    server: int, tmp_path: Path, after: int, fault: str, said: str
) -> None:
    faults = Faults(lambda number: fault if number >= after else "ok")
    with faulty_way(server, faults) as port, pytest.raises(JobError) as refused:
        open_panel(uri(port, "data"), COLUMNS)

    sentence = str(refused.value)
    assert "\n" not in sentence
    assert sentence.startswith("data.path: bucket/data cannot be" if not after else "shard bucket/data/part-")
    assert "not a whole Parquet file" not in sentence
    assert said in sentence
    assert not list((tmp_path / "cache" / "panels").glob("*"))


@pytest.mark.parametrize("keys", [KEYS, {}], ids=["refused", "missing"])
def test_credentials_that_are_refused_or_missing_are_one_sentence(
    keys: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", str(tmp_path))  # nor has it any of its own
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    # Moto itself trips over a request without any; S3 answers 403 to both.
    faults = Faults(lambda _: "ok" if keys else "403")
    with s3_server(strict=True) as port, faulty_way(port, faults) as way, pytest.raises(JobError) as refused:
        open_panel(uri(way, "data"), COLUMNS)

    assert str(refused.value) == (
        "data.path: bucket/data cannot be listed (When getting information for key 'data' in bucket "
        "'bucket': AWS Error ACCESS_DENIED during HeadObject operation: No response body.); put credentials "
        "that may read it into the environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, "
        "GOOGLE_APPLICATION_CREDENTIALS)"
    )


def test_a_journal_on_s3_is_merged_and_summed_up_while_it_is_written(server: int) -> None:
    folder = Storage.open(uri(server, "journals")).sweep("a")
    upkeep, events = Upkeep(folder), [start(), *(trial(number) for number in range(79))]
    for number, event in enumerate(events, start=1):
        folder.write(folder.segment(number), encode(event))
        upkeep.look()
    assert folder.segments()[0].merged
    assert len(folder.segments()) < 40
    assert read_journal(folder) == events
    assert vars(read_summary(folder).results) == vars(Results(events))

    with Upkeep(folder):
        journal = Journal(folder)
        journal.append(trial(79))
        journal.close()

    assert folder.files(folder.JOURNAL) == ["000001-000081.jsonl.gz", "results.json"]
    assert read_journal(folder) == [*events, trial(79)]
    assert vars(read_summary(folder).results) == vars(Results([*events, trial(79)]))


def test_a_journal_waits_for_an_s3_that_is_away(server: int) -> None:
    way = "ok"
    with faulty_way(server, Faults(lambda _: way)) as port:
        folder = Storage.open(uri(port, "away")).sweep("a")
        journal, events = Journal(folder), [start(), *(trial(number) for number in range(40))]
        for number, event in enumerate(events):
            way = "403" if 5 <= number < 25 else "ok"
            journal.append(event)
            time.sleep(0.1)
        journal.close()

    assert read_journal(Storage.open(uri(server, "away")).sweep("a")) == events


def test_a_sweep_with_data_and_storage_on_s3(
    server: int, tmp_path: Path, write_job: JobWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    job = write_job(tmp_path, trials=2, epochs=1)
    storage = uri(server, "sweeps")
    options = [
        "--set",
        f"data.path={uri(server, 'data')}",
        "--set",
        "data.series=series",
        "--workers=1",
        "--json",
    ]

    assert exit_code(["run", str(job), "--storage", storage, *options]) == 0

    best = json.loads(capsys.readouterr().out)
    assert best["checkpoint"].startswith("s3://bucket/sweeps/small/best/model.keras?")
    out = tmp_path / "f.parquet"
    predict = ["predict", "small", "--storage", storage, "--data", uri(server, "data"), "--out", str(out)]
    assert exit_code([*predict, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 4 * SHAPE["series"]


def test_files_go_up_beside_each_other(server: int) -> None:
    """No request is passed on before all of them have come: one after the other they would wait for ever."""
    together, meeting = threading.Barrier(4), threading.Event()

    def plan(_: int) -> str:
        if meeting.is_set():
            together.wait(30)
        return "late"

    with faulty_way(server, Faults(plan)) as port:
        folder = Storage.open(uri(port, "together")).sweep("a")
        folder.exists()  # the connection is made
        meeting.set()
        files = {f"best/{number}": bytes([number]) * 1000 for number in range(4)}
        folder.write_several(files)
        meeting.clear()
        assert not together.broken
        assert {name: folder.read(name) for name in files} == files
