"""Whole sweeps on panels with everything that a panel may have, and forecasts from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from runner.cli import exit_code

LENGTHS = {"a": 150, "b": 130, "short": 20, "d": 160}
HORIZON = 6


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hourly sales in Berlin with gaps and missing values, and the prices of the steps after their end."""
    folder = tmp_path_factory.mktemp("rich")
    rng = np.random.default_rng(0)
    history, future = [], []
    for number, (name, length) in enumerate(LENGTHS.items()):
        times = pd.date_range("2024-03-28", periods=length + HORIZON, freq="h", tz="Europe/Berlin", unit="us")
        price = rng.normal(10, 2, len(times))
        sales = 60 + 10 * np.sin(times.hour / 24 * 2 * np.pi) - 2 * price + rng.normal(0, 1, len(times))
        frame = pd.DataFrame({"store": name, "time": times, "sales": sales, "price": price})
        frame = frame.assign(visits=rng.normal(size=len(times)), kind=["shop", "web"][number % 2])
        frame.loc[rng.random(len(times)) < 0.05, "sales"] = np.nan
        future.append(frame[["store", "time", "price"]][length:])
        kept = rng.random(length) > 0.03
        kept[[0, -1]] = True
        history.append(frame[:length][kept])
    for name, frames in (("data", history), ("future", future)):
        (folder / name).mkdir()
        pd.concat(frames).to_parquet(folder / name / "0.parquet", index=False)
    return folder


def write_job(place: Path, name: str, *, data: dict[str, Any], window: dict[str, Any]) -> Path:
    job = {
        "name": name,
        "data": {"path": "data", "time": "time", "series": "store", "target": "sales"} | data,
        "window": {"lookback": 24, "horizon": HORIZON} | window,
        "model": {"units": 4},
        "train": {"max_epochs": 2, "learning_rate": 0.01},
        "search": {"trials": 1, "scheduler": "none"},
    }
    path = place / f"{name}.yaml"
    path.write_text(yaml.safe_dump(job))
    return path


def run(place: Path, job: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert exit_code(["run", str(job), "--storage", str(place / "sweeps"), "--workers=1", "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def predict(place: Path, sweep: str, *more: str) -> int:
    arguments = ["predict", sweep, "--storage", str(place / "sweeps"), "--data", str(place / "data")]
    return exit_code([*arguments, "--out", str(place / f"{sweep}.parquet"), *more])


def test_covariates_of_every_kind_gaps_short_series_and_folds(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = {
        "past": "visits",
        "future": ["calendar", "price"],
        "static": "kind",
        "missing": "mask",
        "short": "pad",
        "split": {"validation": 0.15, "test": 0.15, "folds": 2},
    }
    job = write_job(place, "rich", data=data, window={"scale": "instance_standard"})

    best = run(place, job, capsys)

    assert best["spread"] > 0
    assert np.isfinite([best["score"], *best["test"].values()]).all()
    signature = json.loads((place / "sweeps/rich/best/signature.json").read_text())
    known = [
        "price",
        *(f"calendar.{cycle}_{wave}" for cycle in ("hour", "weekday", "month") for wave in ("sin", "cos")),
    ]
    assert [each["name"] for each in signature["inputs"]] == ["values", "future", "length"]
    assert signature["inputs"][1]["columns"] == known
    columns = ["sales", "visits", *known, "sales.missing", "visits.missing", "kind=shop", "kind=web"]
    assert signature["inputs"][0]["columns"] == columns

    assert predict(place, "rich") == 2
    assert (
        "the model knows price ahead; give --future, shards with store, time, price"
        in capsys.readouterr().err
    )
    assert predict(place, "rich", "--future", str(place / "future")) == 0
    found = pd.read_parquet(place / "rich.parquet")
    assert found.groupby("store").size().to_dict() == dict.fromkeys(LENGTHS, HORIZON)
    after = pd.read_parquet(place / "future").groupby("store")["time"].apply(list).to_dict()
    assert found.groupby("store")["time"].apply(list).to_dict() == after
    assert np.isfinite(found["sales"]).all()


def test_a_covariate_missing_in_the_future_part_is_named(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = write_job(
        place, "ahead", data={"future": "price", "missing": "forward", "short": "leave_out"}, window={}
    )
    run(place, job, capsys)
    frame = pd.read_parquet(place / "future")
    lost = frame[(frame["store"] != "b") | (frame["time"] != frame[frame["store"] == "b"]["time"].iloc[2])]
    lost.to_parquet(tmp_path / "lost.parquet", index=False)

    assert predict(place, "ahead", "--future", str(tmp_path / "lost.parquet")) == 2

    error = capsys.readouterr().err
    assert (
        "--future: price at 2024-04-02 13:00:00+02:00 of series 'b' is missing (1 of the steps to forecast)"
        in error
    )
    assert not (place / "ahead.parquet").exists()
    assert predict(place, "ahead", "--future", str(place / "future")) == 0


def test_series_scaled_by_themselves_are_forecast_new_ones_too(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = {"missing": "interpolate", "short": "leave_out", "target": ["sales", "visits"]}
    window = {"scale_by": "series", "channel_independent": True, "output": "sequence"}
    job = write_job(place, "own", data=data, window=window)
    run(place, job, capsys)

    scaler = pd.read_parquet(place / "sweeps/own/best/scaler.parquet")
    assert scaler.groupby("series").size().to_dict() == dict.fromkeys(LENGTHS, 2)
    frame = pd.read_parquet(place / "data")
    new = frame.assign(store=frame["store"].replace("d", "new"))
    new.to_parquet(tmp_path / "new.parquet", index=False)
    assert predict(place, "own", "--data", str(tmp_path / "new.parquet")) == 0
    out, err = capsys.readouterr()
    assert "18 rows, 6 steps ahead of 3 series" in out
    assert "1 series are not among those of training; each is scaled by its own history" in err
    frame.assign(sales=frame["sales"].fillna(50)).to_parquet(tmp_path / "whole.parquet", index=False)
    assert predict(place, "own", "--data", str(tmp_path / "whole.parquet")) == 0
    capsys.readouterr()
    assert predict(place, "own", "--future", str(place / "future")) == 2
    assert "the job has no future covariates; leave it out" in capsys.readouterr().err


def test_forecasts_are_refused_from_other_clocks_and_from_values_that_have_no_logarithm(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = {"future": ["calendar", "price"], "missing": "forward", "short": "leave_out"}
    run(place, write_job(place, "clocks", data=data, window={"transform": "log"}), capsys)
    frames = {name: pd.read_parquet(place / name) for name in ("data", "future")}
    for name, frame in frames.items():
        frame.assign(time=frame["time"].dt.tz_convert("UTC")).to_parquet(tmp_path / f"utc-{name}.parquet")
        frame.assign(time=frame["time"].dt.tz_localize(None)).to_parquet(tmp_path / f"naive-{name}.parquet")
    frames["data"].assign(sales=-frames["data"]["sales"]).to_parquet(tmp_path / "negative.parquet")

    refused = {
        "utc-data": ["--data", str(tmp_path / "utc-data.parquet"), "--future", str(place / "future")],
        "naive-data": ["--data", str(tmp_path / "naive-data.parquet"), "--future", str(place / "future")],
        "naive-future": ["--future", str(tmp_path / "naive-future.parquet")],
        "negative": ["--data", str(tmp_path / "negative.parquet"), "--future", str(place / "future")],
    }
    said = {}
    for name, arguments in refused.items():
        assert predict(place, "clocks", *arguments) == 2, name
        said[name] = capsys.readouterr().err.partition(": its times are ")[2] or "other"
    assert (
        said["utc-data"]
        == "in the time zone UTC, the model's in the time zone Europe/Berlin; write them alike\n"
    )
    assert (
        said["naive-data"] == "without a zone, the model's in the time zone Europe/Berlin; write them alike\n"
    )
    assert said["naive-future"].startswith("without a zone, those of --data in the time zone Europe/Berlin")
    assert predict(place, "clocks", *refused["negative"]) == 2
    assert "window.transform: log is for positive targets, and 'sales' has -" in capsys.readouterr().err
    # The same moments, told on other clocks, are the same prices.
    assert predict(place, "clocks", "--future", str(tmp_path / "utc-future.parquet")) == 0
    other = pd.read_parquet(place / "clocks.parquet")
    assert predict(place, "clocks", "--future", str(place / "future")) == 0
    pd.testing.assert_frame_equal(pd.read_parquet(place / "clocks.parquet"), other)
