"""The panel's folder in the cache: where it has no room, whole or not there, and another for other data."""

from __future__ import annotations

import json
import os
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from jobs.assembly import Assembly
from jobs.dataspec import Data
from jobs.errors import JobError
from jobs.jobfile import load_job
from runner import predict
from runner.cli import exit_code
from runner.data import map_job_panel, open_job_panel
from tests.runner.command import JobWriter


@pytest.fixture
def panels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own; its folder of panels."""
    monkeypatch.setenv("RECUR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "panels"


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
    panels: Path,
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
    assert err.startswith(f"Error: {panels}/")
    assert err.endswith(
        ".partial: the panel cannot be written there (File too large); "
        "make room on that disk, or set RECUR_CACHE to a folder on a larger one\n"
    )
    assert not list(panels.iterdir())
    assert not (tmp_path / "sweeps").exists()


def test_ctrl_c_while_the_shards_are_read_leaves_nothing(
    tmp_path: Path,
    panels: Path,
    write_job: JobWriter,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual, seen = Assembly.add, []

    def second_time(assembly: Assembly, piece: Any) -> None:
        seen.append([path.name for path in panels.rglob("*.npy")])
        if len(seen) == 2:
            raise KeyboardInterrupt
        usual(assembly, piece)

    monkeypatch.setattr(Assembly, "add", second_time)

    assert exit_code(["run", str(write_job(tmp_path)), "--storage", str(tmp_path / "sweeps")]) == 130
    assert capsys.readouterr().err.strip() == "Stopped."
    assert sorted(seen[1]) == ["rows.npy", "times.npy"]
    assert not list(panels.iterdir())
    assert not (tmp_path / "sweeps").exists()


def dry_run(job: Path, storage: Path, *options: str) -> int:
    return exit_code(["run", str(job), "--storage", str(storage), "--dry-run", "--json", *options])


def test_a_panel_is_read_once_and_mapped_from_then_on(
    tmp_path: Path, panels: Path, write_job: JobWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = write_job(tmp_path)
    assert dry_run(job, tmp_path / "sweeps") == 0
    assert [sorted(file.name for file in panel.iterdir()) for panel in panels.iterdir()] == [
        ["offsets.npy", "panel.json", "rows.npy", "times.npy"]
    ]

    monkeypatch.setattr("runner.data.build_panel", lambda *_: pytest.fail("it is there already"))

    assert dry_run(job, tmp_path / "sweeps", "--set", "train.max_epochs=2") == 0


@pytest.mark.parametrize("change", ["columns", "rows", "touched", "more"])
def test_other_data_are_another_panel(
    tmp_path: Path,
    panels: Path,
    panel_folder: Path,
    capsys: pytest.CaptureFixture[str],
    change: str,
) -> None:
    data = tmp_path / "data"
    shutil.copytree(panel_folder, data)
    job = JobWriter(data)(tmp_path)
    assert dry_run(job, tmp_path / "sweeps") == 0
    options = {"columns": ["--set=data.past=[]"], "rows": ["--set=data.where=[[driver, '>', -9]]"]}
    shard = min(data.glob("*.parquet"))
    if change == "touched":
        os.utime(shard, ns=(1, 1))
    if change == "more":
        table = pq.read_table(shard)
        later = pc.add(table["time"], pa.scalar(900 * 86_400 * 10**9, pa.duration("ns")))
        pq.write_table(
            table.set_column(table.schema.get_field_index("time"), "time", later), data / "z.parquet"
        )

    assert dry_run(job, tmp_path / "sweeps", *options.get(change, [])) == 0

    capsys.readouterr()
    assert len(list(panels.iterdir())) == 2


def test_a_prediction_reads_its_panel_from_the_cache(
    panels: Path, panel_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []

    def forecast(served: Any, *_: object, **options: object) -> Any:
        found.append((served.cutter.panel, served.model, options))
        raise KeyboardInterrupt

    monkeypatch.setattr("jobs.forecast.forecast_panel", forecast)
    monkeypatch.setattr("jobs.checkpoint.load_model", lambda data: data)
    signature = {
        "inputs": [{"name": "values", "columns": ["target", "driver"], "shape": [None, 12, 2]}],
        "outputs": [{"columns": ["target"], "shape": [None, 4, 1]}],
        "time": "time",
        "series": None,
        "frequency": "1h",
        "time_type": "timestamp[ns]",
        "powers": None,
    }
    where = (("driver", ">", -9), ("time", "<", "1999-01-01"))
    data = Data(path="x", time="time", target=("target",), past=("driver",), where=where)
    with pytest.raises(KeyboardInterrupt):
        predict._forecast(predict.Best(signature, b"model", None), data, str(panel_folder), None)

    panel = found[0][0]
    assert panel.folder.parent == panels
    assert panel.rows.shape == (300, 2)  # forecasts begin where the newest data end


def test_a_worker_elsewhere_reads_the_same_panel_or_refuses(
    tmp_path: Path, panels: Path, panel_folder: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(panel_folder, data)
    job = load_job(JobWriter(data)(tmp_path))
    drivers = open_job_panel(job)
    assert drivers.folder is not None
    elsewhere = Path("/nowhere") / drivers.folder.name
    assert map_job_panel(job, elsewhere).folder == drivers.folder

    os.utime(min(data.glob("*.parquet")), ns=(1, 1))

    with pytest.raises(JobError, match="the data has changed since the sweep began; run it again"):
        map_job_panel(job, elsewhere)
    assert len(list(panels.iterdir())) == 2


def test_short_series_are_left_out_with_a_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lengths = {"a": 90, "b": 7, "c": 80}
    frames = [
        pd.DataFrame(
            {
                "id": name,
                "time": pd.date_range("2024-01-01", periods=length, freq="h"),
                "target": 1.0,
                "driver": np.arange(length) % 5.0,
            }
        )
        for name, length in lengths.items()
    ]
    (tmp_path / "data").mkdir()
    pd.concat(frames).to_parquet(tmp_path / "data" / "a.parquet")
    job = JobWriter(tmp_path / "data")(tmp_path)
    options = ["--set=data.series=id", "--set=data.short=leave_out"]

    assert dry_run(job, tmp_path / "sweeps", *options) == 0

    out, err = capsys.readouterr()
    assert json.loads(out)["left_out"] == 1
    assert err == "Note: 1 of 3 series are shorter than a window and left out\n"
    assert dry_run(job, tmp_path / "sweeps", options[0]) == 2
    assert "series 'b' has 7 steps, fewer than" in capsys.readouterr().err


def test_two_frequencies_in_one_panel_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = [
        pd.DataFrame(
            {
                "id": name,
                "time": pd.date_range("2024-01-01", periods=90, freq=freq),
                "target": 1.0,
                "driver": 2.0,
            }
        )
        for name, freq in (("a", "h"), ("b", "D"), ("c", "h"))
    ]
    (tmp_path / "data").mkdir()
    pd.concat(frames).to_parquet(tmp_path / "data" / "a.parquet")
    job = JobWriter(tmp_path / "data")(tmp_path)

    assert dry_run(job, tmp_path / "sweeps", "--set=data.series=id") == 2

    assert capsys.readouterr().err == (
        f"Error: {tmp_path}/data: series 'b' has steps of 1D, most others of 1h (from 2024-01-01 00:00:00 "
        "on); write data.frequency to bring all to one, or choose rows of one with data.where\n"
    )
