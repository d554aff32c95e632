"""Bad input: one sentence that names the culprit, exit code 2, and nothing on storage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from runner.cli import exit_code

HOURS = 200


def frame(**columns: object) -> pd.DataFrame:
    """One hourly series of 200 steps; ``columns`` replace or add some."""
    time = pd.date_range("2024-01-01", periods=HOURS, freq="h")
    return pd.DataFrame({"time": time, "y": np.sin(np.arange(HOURS)), **columns})


def values_with(value: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    values = np.arange(HOURS, dtype=float)
    values[[17, 40]] = value
    return values


class Bench:
    """A folder with shards, a job file and a storage that must stay empty."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        self.data = folder / "data"
        self.data.mkdir()
        self.job = folder / "job.yaml"
        self.storage = folder / "sweeps"
        self.write_job()

    def shard(self, name: str, content: pd.DataFrame) -> Path:
        path = self.data / name
        content.to_parquet(path)
        return path

    def write_job(self, **fields: str) -> None:
        parts = {
            "data": "{path: data, time: time, target: y}",
            "window": "{lookback: 24, horizon: 12}",
        } | fields
        self.job.write_text("\n".join(["name: bad", *(f"{key}: {text}" for key, text in parts.items())]))

    def refused(self, *extra: str) -> str:
        """The sentence with which ``recur run`` refuses, the bench's folder cut out of it."""
        code = exit_code(["run", str(self.job), "--storage", str(self.storage), *extra])
        out, err = self._capsys.readouterr()
        assert code == 2, err
        assert out == ""
        assert err.startswith("Error: ")
        assert err.count("\n") == 1
        assert not self.storage.exists()
        return err.removeprefix("Error: ").rstrip("\n").replace(f"{self.folder}/", "")


@pytest.fixture
def bench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Bench:
    return Bench(tmp_path, capsys)


@pytest.mark.parametrize(
    ("section", "text", "sentence"),
    [
        ("train", "{lerning_rate: 0.1}", "train.lerning_rate: unknown key; did you mean learning_rate?"),
        ("wndow", "{horizon: 3}", "wndow: unknown key; did you mean window?"),
        ("train", "{batch_size: many}", "train.batch_size: input should be a valid integer, found 'many'"),
        (
            "model",
            "{units: {int: {min: 64, max: 16}}}",
            "model.units: the range is empty: min=64 is above max=16; swap them",
        ),
        (
            "model",
            "{units: {int: {min: 50, max: 150, step: 30}}}",
            (
                "model.units: step=30 from min=50 never reaches max=150; the last value is 140: "
                "write max: 140 or another step"
            ),
        ),
        ("model", "{cell: {choice: []}}", "model.cell: choice needs at least one value, found an empty list"),
        (
            "model",
            "{cell: elman}",
            "model.cell: input should be 'simple_rnn', 'lstm' or 'gru', found 'elman'",
        ),
    ],
)
def test_spec(bench: Bench, section: str, text: str, sentence: str) -> None:
    bench.shard("a.parquet", frame())
    bench.write_job(**{section: text})
    assert bench.refused() == f"job.yaml: {sentence}"


def test_no_job_file(bench: Bench) -> None:
    bench.job.unlink()
    assert bench.refused() == "job.yaml: the job file cannot be read: No such file or directory"


def test_a_gpu_where_there_is_none(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.shard("a.parquet", frame())
    bench.write_job(resources="{gpu: 0.25}")
    monkeypatch.setenv("PATH", str(bench.folder))
    assert bench.refused() == (
        "resources.gpu: a trial asks for 0.25 of a GPU; no GPU was found here: nvidia-smi is not installed; "
        "write gpu: 0 to train on the cores"
    )


def test_missing_path(bench: Bench) -> None:
    bench.data.rmdir()
    assert bench.refused() == (
        "data.path: data does not exist; give a Parquet file, a folder of them or a glob"
    )


def test_no_parquet_files(bench: Bench) -> None:
    (bench.data / "a.csv").write_text("time,y\n")
    assert bench.refused() == (
        "data.path: no Parquet files (*.parquet) in data, which holds 1 other files; "
        "for CSV, JSON lines or Feather run: recur data import"
    )


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _overwrite(path: Path) -> None:
    path.write_text("these are no columns, but it is long enough to look like a file of some kind")


@pytest.mark.parametrize("damage", [_truncate, _overwrite])
def test_a_damaged_shard(bench: Bench, damage: Callable[[Path], None]) -> None:
    bench.shard("a.parquet", frame())
    damage(bench.shard("b.parquet", frame(time=pd.date_range("2025-01-01", periods=HOURS, freq="h"))))
    sentence = bench.refused()
    assert sentence.startswith("shard data/b.parquet: not a whole Parquet file (")
    assert sentence.endswith("; write it again or take it away")


def test_schemas_differ(bench: Bench) -> None:
    bench.shard("a.parquet", frame())
    bench.shard("b.parquet", frame(y=np.arange(HOURS)))
    assert bench.refused() == (
        "shard data/b.parquet: column 'y' is int64 but double in data/a.parquet; "
        "write all shards with one schema"
    )


def test_missing_column(bench: Bench) -> None:
    bench.shard("a.parquet", frame())
    bench.write_job(data="{path: data, time: time, target: load}")
    assert bench.refused() == "shard data/a.parquet: no column 'load'; it has time, y"


def test_non_numeric_target(bench: Bench) -> None:
    bench.shard("a.parquet", frame(y=["high"] * HOURS))
    sentence = bench.refused()
    assert sentence.startswith("shard data/a.parquet: column 'y' is ")
    assert sentence.endswith("not numeric; a network needs numbers")


def test_unparsable_timestamps(bench: Bench) -> None:
    times = [f"2024-01-01 {i // 60 % 24:02d}:{i % 60:02d}" for i in range(HOURS)]
    times[5] = "yesterday"
    bench.shard("a.parquet", frame(time=times))
    assert bench.refused() == (
        "shard data/a.parquet: column 'time': 1 timestamps cannot be read, the first in row 5 ('yesterday'); "
        "write them as 2024-01-31 14:00:00"
    )


def test_duplicate_timestamps(bench: Bench) -> None:
    bench.shard("a.parquet", frame())
    bench.shard("b.parquet", frame().iloc[:3])
    assert bench.refused() == (
        "shard data/b.parquet: column 'time' has 3 duplicate times, the first 2024-01-01 00:00:00; "
        "keep one row for each; if the shards hold several series, name their column in data.series"
    )


@pytest.mark.parametrize(
    ("value", "way"), [(np.nan, ", or let data.missing say how they are filled"), (np.inf, "")]
)
def test_nan_or_infinite_values(bench: Bench, value: float, way: str) -> None:
    bench.shard("a.parquet", frame(y=values_with(value)))
    assert bench.refused() == (
        "shard data/a.parquet: column 'y' has 2 missing, NaN or infinite values, "
        f"the first in row 17 ({value}); fill or drop them{way}"
    )


def test_series_too_short(bench: Bench) -> None:
    bench.shard("a.parquet", frame().iloc[:30])
    assert bench.refused() == (
        "data: the series has 30 steps, fewer than window.lookback + window.horizon = 24 + 12 = 36; "
        "shorten the window, drop the series or write data.short: leave_out or pad"
    )


def test_a_split_that_leaves_no_window(bench: Bench) -> None:
    bench.shard("a.parquet", frame())
    bench.write_job(data="{path: data, time: time, target: y, split: {validation: 5, test: 40}}")
    assert bench.refused() == (
        "data.split: the validation part holds no window of lookback 24 and horizon 12 "
        "(series have 200 to 200 steps); change data.split or the window"
    )


def test_a_storage_that_cannot_be_written(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.shard("a.parquet", frame())
    (bench.folder / "file").write_text("")
    code = exit_code(["run", str(bench.job), "--storage", str(bench.folder / "file" / "sweeps")])
    assert code == 2
    assert capsys.readouterr().err == (
        f"Error: storage {bench.folder}/file/sweeps cannot be written (Not a directory); "
        "choose another with --storage\n"
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--workers", "zero"], "'zero' is neither a positive number nor auto"),
        (["--trials", "0"], "0 is not in the range x>=1"),
        (["--nmae", "x"], "No such option '--nmae'"),
    ],
)
def test_wrong_usage(
    bench: Bench, arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.shard("a.parquet", frame())
    assert exit_code(["run", str(bench.job), *arguments]) == 2
    assert sentence in capsys.readouterr().err


def test_set_that_names_nothing(bench: Bench) -> None:
    bench.shard("a.parquet", frame())
    assert bench.refused("--set", "trian.max_epochs=3") == (
        "job.yaml: trian: unknown key; did you mean train?"
    )
