"""The panel's temporary folder: where it has no room, and gone however the command ends."""

from __future__ import annotations

import json
import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cluster import scratch
from jobs import shards
from runner import predict
from runner.cli import exit_code
from tests.runner.command import JobWriter


@pytest.fixture
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for this test's temporary files alone."""
    folder = tmp_path / "temp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(scratch, "_LONGEST", 4096)  # no sockets here
    return folder


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As on a disk that is full; the processes' other files are small."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


@pytest.mark.parametrize("size", [1, 200, 1500, 2500])
@pytest.mark.parametrize("command", ["run", "submit"])
def test_a_disk_without_room_is_one_sentence_and_nothing_is_left(
    tmp_path: Path,
    temp: Path,
    write_job: JobWriter,
    capsys: pytest.CaptureFixture[str],
    command: str,
    size: int,
) -> None:
    job = write_job(tmp_path)
    with files_of_at_most(size):
        code = exit_code([command, str(job), "--storage", str(tmp_path / "sweeps")])

    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert err.startswith(f"Error: {temp}/recur-")
    assert err.endswith(
        "/panel: the data's temporary copy cannot be written there (File too large); "
        "make room on that disk, or set TMPDIR to a folder on a larger one\n"
    )
    assert not list(temp.iterdir())
    assert not (tmp_path / "sweeps").exists()


def test_ctrl_c_while_the_shards_are_read_leaves_nothing(
    tmp_path: Path,
    temp: Path,
    write_job: JobWriter,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual, seen = shards._part, []

    def second_time(*arguments: Any) -> Any:
        seen.append([path.name for path in temp.rglob("*.npy")])
        if len(seen) == 2:
            raise KeyboardInterrupt
        return usual(*arguments)

    monkeypatch.setattr(shards, "_part", second_time)

    assert exit_code(["run", str(write_job(tmp_path)), "--storage", str(tmp_path / "sweeps")]) == 130
    assert capsys.readouterr().err.strip() == "Stopped."
    assert sorted(seen[1]) == ["rows.npy", "times.npy"]
    assert not list(temp.iterdir())
    assert not (tmp_path / "sweeps").exists()


def test_a_dry_run_leaves_nothing(
    tmp_path: Path, temp: Path, write_job: JobWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    job = write_job(tmp_path)

    assert exit_code(["run", str(job), "--storage", str(tmp_path / "sweeps"), "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["windows"] == {"train": 83, "validation": 57, "test": 57}
    assert not list(temp.iterdir())


def test_a_prediction_reads_its_panel_from_files_without_names(
    temp: Path, panel_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panels = []

    def forecast(model: object, panel: Any, **options: object) -> Any:
        panels.append((panel, list(temp.iterdir()), model, options))
        raise KeyboardInterrupt

    monkeypatch.setattr("jobs.forecast.forecast_panel", forecast)
    monkeypatch.setattr("jobs.checkpoint.load_model", lambda data: data)
    signature = {
        "inputs": [{"columns": ["target", "driver"], "shape": [None, 12, 2]}],
        "outputs": [{"columns": ["target"], "shape": [None, 4, 1]}],
        "time": "time",
        "series": None,
        "frequency": "1h",
    }
    with pytest.raises(KeyboardInterrupt):
        predict._forecast(b"model", signature, str(panel_folder))

    panel, left, *_ = panels[0]
    assert left == []
    assert panel.rows.shape == (300, 2)
    assert panel.rows.any()
