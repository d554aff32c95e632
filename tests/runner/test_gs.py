"""Sweeps with their data, or stored, on a server program that speaks the protocol of Google Cloud Storage."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from pyarrow import fs as pafs

from cluster.files import open_filesystem
from cluster.storage import Storage, SweepFolder
from jobs.sample import sample_panel
from runner.cli import exit_code
from tests.gcs import gcs_server, uri
from tests.runner.command import JobWriter


def test_a_sweep_with_data_on_gs(
    tmp_path: Path, write_job: JobWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    with gcs_server() as port:
        filesystem, path = open_filesystem(uri(port, "data"))
        sample_panel(path, filesystem, series=3, length=400, shards=4)
        assert exit_code(["data", "check", uri(port, "data")]) == 0
        capsys.readouterr()
        job = write_job(tmp_path, trials=2, epochs=1)
        storage = str(tmp_path / "sweeps")
        options = [
            "--set",
            f"data.path={uri(port, 'data')}",
            "--set",
            "data.series=series",
            "--workers=1",
            "--json",
        ]

        assert exit_code(["run", str(job), "--storage", storage, *options]) == 0

        assert json.loads(capsys.readouterr().out)["score"] > 0
        out = tmp_path / "f.parquet"
        predict = ["predict", "small", "--storage", storage, "--data", uri(port, "data"), "--out", str(out)]
        assert exit_code([*predict, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["rows"] == 4 * 3


def test_a_sweep_stored_on_gs(
    tmp_path: Path, write_job: JobWriter, capsys: pytest.CaptureFixture[str], panel_folder: Path
) -> None:
    with gcs_server() as port:
        storage = uri(port, "sweeps")

        def said(*arguments: str) -> Any:
            assert exit_code([*arguments, "--storage", storage, "--json"]) == 0
            return json.loads(capsys.readouterr().out)

        found = said("run", str(write_job(tmp_path, trials=3, epochs=3)), "--workers=1")
        assert found["checkpoint"].startswith("gs://anonymous@bucket/sweeps/small/best/model.keras?")
        assert said("best", "small")["trial_id"] == found["trial_id"]
        assert said("status", "small")["state"] == "done"
        assert [each["sweep"] for each in said("list")] == ["small"]
        assert set(Storage.open(storage).sweep("small").checkpoint_sizes()) == {found["trial_id"]}
        out = str(tmp_path / "f.parquet")
        assert said("predict", "small", "--data", str(panel_folder), "--out", out)["rows"] == 4
        said("remove", "small", "--yes")
        assert said("list") == []


class Watched:
    """A file system, and what was listed on it."""

    def __init__(self, filesystem: pafs.FileSystem) -> None:
        self.filesystem, self.listed = filesystem, list[str]()

    def get_file_info(self, what: Any) -> Any:
        found = self.filesystem.get_file_info(what)
        if isinstance(what, pafs.FileSelector):
            self.listed += [info.path for info in found]
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self.filesystem, name)


def test_listing_sweeps_lists_none_of_their_files() -> None:
    with gcs_server() as port:
        plain = Storage.open(uri(port, "sweeps"))
        watched = Watched(plain.filesystem)
        storage = replace(plain, reach=lambda: cast("pafs.FileSystem", watched))
        for name in ("one", "two", "half"):
            storage.sweep(name).begin(b"x")
            storage.sweep(name).write_several({f"journal/{number}": b"x" for number in range(5)})
        storage.sweep("half").delete(SweepFolder.SPEC)

        assert [folder.name for folder in storage.sweeps()] == ["one", "two"]

        assert sorted(watched.listed) == [f"bucket/sweeps/.names/{name}" for name in ("half", "one", "two")]
        storage.sweep("one").remove()
        assert [folder.name for folder in storage.sweeps()] == ["two"]
