"""``recur data check``: what is printed, and that it exits with 2 just where a run would refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from pyarrow import fs as pafs

from jobs.sample import sample_panel
from runner.cli import exit_code


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RECUR_CACHE", str(tmp_path / "cache"))
    sample_panel(str(tmp_path / "demo"), pafs.LocalFileSystem(), series=3, length=300, shards=3)
    return tmp_path / "demo"


def check(what: Path, *options: str) -> int:
    return exit_code(["data", "check", str(what), *options])


def job(folder: Path, **data: Any) -> Path:
    """The sample's job with other fields in its data section."""
    path = folder / "job.yaml"
    raw = yaml.safe_load(path.read_text())
    raw["data"] |= data
    path.write_text(yaml.safe_dump(raw))
    return path


def change(shard: Path, **columns: Any) -> None:
    frame = pd.read_parquet(shard)
    for name, values in columns.items():
        frame.iloc[: len(values), frame.columns.get_loc(name)] = values
    frame.to_parquet(shard, index=False)


def refused_by_a_run(path: Path, tmp_path: Path) -> bool:
    return exit_code(["run", str(path), "--dry-run", "--storage", str(tmp_path / "sweeps")]) == 2


def test_good_data_are_shown_in_a_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(folder) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{folder}: 900 rows in 3 shards, 3 series of 300 steps, one each 1h"
    assert lines[1].split() == [
        "column",
        "known",
        "missing",
        "infinite",
        "least",
        "mean",
        "most",
        "deviation",
    ]
    assert [line.split()[:4] for line in lines[2:4]] == [
        ["target", "900", "0", "0"],
        ["driver", "900", "0", "0"],
    ]
    assert lines[-1] == "nothing is wrong with it"
    assert not list((folder.parent / "cache" / "checks").iterdir())


def test_a_document_has_everything(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(folder / "part-00001.parquet", target=[np.nan, np.inf], driver=[np.nan])

    assert check(folder, "--json") == 2

    out, err = capsys.readouterr()
    found = json.loads(out)
    assert (found["shards"], found["rows"], found["series"]) == (3, 900, 3)
    assert found["lengths"] == {"least": 300, "median": 300, "most": 300}
    assert (found["missing"], found["infinite"]) == ({"target": 1, "driver": 1}, {"target": 1})
    assert [(each["kind"], each["column"]) for each in found["problems"]] == [
        ("infinite", "target"),
        ("missing", "target"),
        ("missing", "driver"),
    ]
    assert {each["name"]: each["known"] for each in found["columns"]} == {"target": 898, "driver": 899}
    assert found["refused"] in err
    assert err.startswith("Error: a run would refuse this data: ")


def test_a_job_is_looked_at_as_its_sweep_would(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(folder / "part-00001.parquet", target=[np.nan])
    plain, filled = job(folder), None

    assert check(plain) == 2
    assert refused_by_a_run(plain, tmp_path)
    filled = job(folder, missing="forward")
    assert check(filled) == 0
    assert not refused_by_a_run(filled, tmp_path)
    assert "data.missing: forward fills them" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ({"split": {"validation": 2, "test": 2}}, "refused"),
        ({"target": "nothing"}, "schema"),
        ({"where": [["series", "=", "nobody"]]}, "empty"),
        ({"frequency": 3}, "refused"),
        ({"target": "driver", "past": []}, "refused"),
    ],
)
def test_what_only_a_run_would_find_is_found_too(
    folder: Path, tmp_path: Path, data: dict[str, Any], kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = job(folder, **data)
    if "past" in data:  # a target that is negative at times has no logarithm
        path.write_text(path.read_text().replace("window:", "window:\n  transform: log"))

    assert check(path) == 2

    assert f"error    {kind}: " in capsys.readouterr().out
    assert refused_by_a_run(path, tmp_path)


def test_two_frequencies_are_an_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = pq.read_table(folder / "part-00002.parquet")
    daily = table.to_pandas().assign(series="daily", time=pd.date_range("2024-01-01", periods=300, freq="D"))
    written = pa.Table.from_pandas(daily, table.schema, preserve_index=False)
    pq.write_table(written, folder / "part-00003.parquet")

    assert check(folder) == 2

    out, err = capsys.readouterr()
    assert "error    frequencies: series 'daily' has steps of 1D" in out
    assert "series 'daily' has steps of 1D" in err


def test_columns_may_be_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for shard in folder.glob("*.parquet"):
        frame = pd.read_parquet(shard).rename(columns={"time": "when"})
        frame.assign(when=frame["when"].astype("int64"), store=7).to_parquet(shard, index=False)

    assert check(folder) == 2
    assert (
        "no column looks like a time; it has when, series, target, driver, store; name one with --time"
        in (capsys.readouterr().err)
    )
    assert check(folder, "--time", "when") == 0
    assert check(folder, "--time", "when", "--series", "nobody") == 2
    assert check(job(folder), "--time", "when") == 2
    assert check(folder / "nothing") == 2
