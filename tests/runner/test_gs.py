"""Sweeps with their data, or stored, on a server program that speaks the protocol of Google Cloud Storage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cluster.files import open_filesystem
from cluster.storage import Storage
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
        options = ["--set", f"data.path={uri(port, 'data')}", "--set", "data.series=series", "--json"]

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

        found = said("run", str(write_job(tmp_path, trials=3, epochs=3)))
        assert found["checkpoint"].startswith("gs://anonymous@bucket/sweeps/small/best/model.keras?")
        assert said("best", "small")["trial_id"] == found["trial_id"]
        assert said("status", "small")["state"] == "done"
        assert [each["sweep"] for each in said("list")] == ["small"]
        assert set(Storage.open(storage).sweep("small").checkpoint_sizes()) == {found["trial_id"]}
        out = str(tmp_path / "f.parquet")
        assert said("predict", "small", "--data", str(panel_folder), "--out", out)["rows"] == 4
        said("remove", "small", "--yes")
        assert said("list") == []
