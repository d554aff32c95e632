"""The sample's best possible error is what its formula attains, and its job runs on it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs as pafs

from jobs.dataspec import Split
from jobs.dimensions import Choice, Int
from jobs.errors import JobError
from jobs.jobfile import load_job, parse_job
from jobs.parts import split_panel
from jobs.sample import _HOURS, HORIZON, WEIGHT, sample_panel
from jobs.source import Columns
from jobs.windows import check_windows
from tests.jobs.shard_files import read as read_shards
from tests.jobs.small import standard

LOCAL = pafs.LocalFileSystem()
LENGTH = 20_000


def read(folder: Path) -> pa.Table:
    return pa.concat_tables([pq.read_table(shard) for shard in sorted(folder.glob("*.parquet"))])


def target_and_driver(
    folder: Path, **options: Any
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Both as written, (series, steps)."""
    sample_panel(str(folder), LOCAL, **options)
    table = read(folder)
    shape = (options.get("series", 1), -1)
    return table["target"].to_numpy().reshape(shape), table["driver"].to_numpy().reshape(shape)


def causes(driver: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """What the documented formula says a target consists of, HORIZON hours and more after the start.

    All of it is known 24 hours ahead: the hour, and the driver of the day before.
    """
    hour = 2 * np.pi * np.arange(HORIZON, len(driver))
    waves = [wave(hour / period) for period in (24, 168) for wave in (np.sin, np.cos)]
    return np.stack([np.ones(len(hour)), driver[:-HORIZON], *waves], axis=1)


@pytest.mark.parametrize("noise", [0.1, 0.4])
def test_the_forecast_by_the_formula_has_the_stated_error(tmp_path: Path, noise: float) -> None:
    targets, drivers = target_and_driver(tmp_path / "s", length=LENGTH, series=2, noise=noise)
    summary = sample_panel(str(tmp_path / "s"), LOCAL, length=LENGTH, series=2, noise=noise, replace=True)

    for target, driver in zip(targets[:, HORIZON:], drivers, strict=True):
        known = causes(driver)
        half = len(known) // 2
        weights = np.linalg.lstsq(known[:half], target[:half])[0]
        error = target[half:] - known[half:] @ weights

        assert weights[1] == pytest.approx(WEIGHT, abs=0.01 + noise / 20)
        # A mean of n squared normals has a relative standard error of sqrt(2/n); five of them are allowed.
        assert np.mean(error**2) == pytest.approx(summary.best_mse, rel=5 * np.sqrt(2 / len(error)))


def test_what_the_formula_leaves_cannot_be_forecast_from_the_past(tmp_path: Path) -> None:
    target, driver = target_and_driver(tmp_path / "s", length=LENGTH)
    known = causes(driver[0])
    left = target[0, HORIZON:] - known @ np.linalg.lstsq(known, target[0, HORIZON:])[0]
    chance = 5 / np.sqrt(len(left))

    for lag in range(1, 49):
        assert abs(np.corrcoef(left[lag:], left[:-lag])[0, 1]) < chance
    for lag in range(48):
        past = driver[0, HORIZON - min(lag, HORIZON) : len(driver[0]) - lag]
        assert abs(np.corrcoef(left[-len(past) :], past[-len(left) :])[0, 1]) < chance


def test_without_noise_the_formula_is_exact(tmp_path: Path) -> None:
    target, driver = target_and_driver(tmp_path / "s", noise=0.0)
    known = causes(driver[0])

    weights = np.linalg.lstsq(known, target[0, HORIZON:])[0]

    np.testing.assert_allclose(known @ weights, target[0, HORIZON:], atol=1e-9)
    assert weights[1] == pytest.approx(WEIGHT, abs=1e-9)


@pytest.mark.parametrize("series", [1, 3])
def test_the_scaled_error_is_in_the_units_a_sweep_reports(tmp_path: Path, series: int) -> None:
    summary = sample_panel(str(tmp_path / "s"), LOCAL, series=series)
    job = load_job(tmp_path / "s" / "job.yaml")
    columns = Columns(job.data.time, job.data.series, job.data.target, job.data.past)

    panel = read_shards(job.data.path, columns)

    deviation = standard(panel, split_panel(panel, job.data.split)).spread[0, 0]
    assert summary.deviation == pytest.approx(deviation, rel=1e-6)
    assert summary.best_mse == pytest.approx(0.01)
    assert summary.best_scaled_mse == pytest.approx(0.01 / deviation**2, rel=1e-6)
    assert panel.lengths().tolist() == [2000] * series
    assert (panel.gaps(), panel.season()) == (0, 24)


def test_its_job_is_a_small_search_that_names_the_best_possible_error(tmp_path: Path) -> None:
    summary = sample_panel(str(tmp_path / "s"), LOCAL, seed=5)
    text = (tmp_path / "s" / "job.yaml").read_text()

    job = parse_job(text, source="job.yaml")

    assert f"{summary.best_scaled_mse:.4g}:" in text
    assert (job.name, job.data.path, job.data.series) == ("sample", ".", None)
    assert (job.data.time, job.data.target, job.data.past) == ("time", ("target",), ("driver",))
    assert (job.window.horizon, job.window.lookback) == (24, 48)
    assert isinstance(job.model.cell, Choice)
    assert job.model.units == Int(min=16, max=48, step=16)
    assert (job.train.max_epochs, job.search.trials, job.search.scheduler) == (5, 6, "asha")
    assert job.search.seed == 5


def test_its_job_names_the_id_column_of_several_series(tmp_path: Path) -> None:
    sample_panel(str(tmp_path / "s"), LOCAL, series=11, length=120)

    assert load_job(tmp_path / "s" / "job.yaml").data.series == "series"
    table = read(tmp_path / "s")
    assert table.column_names == ["time", "series", "target", "driver"]
    assert table["series"].unique().to_pylist() == [f"s{index:02d}" for index in range(11)]


def test_the_shortest_sample_still_fills_every_part_of_its_job(tmp_path: Path) -> None:
    sample_panel(str(tmp_path / "s"), LOCAL, length=120)
    job = load_job(tmp_path / "s" / "job.yaml")
    columns = Columns(job.data.time, job.data.series, job.data.target, job.data.past)

    check_windows(job, read_shards(job.data.path, columns))


def test_equal_seeds_give_equal_files_and_others_do_not(tmp_path: Path) -> None:
    for name, seed in [("a", 3), ("b", 3), ("c", 4)]:
        sample_panel(str(tmp_path / name), LOCAL, series=2, length=200, seed=seed)

    written = {
        name: {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("a", "b", "c")
    }
    assert written["a"] == written["b"]
    assert written["a"] != written["c"]


def at_once(length: int, noise: float, seed: int, index: int) -> tuple[Any, Any]:
    """Target and driver as the documented formula has them, drawn as a whole."""
    rng = np.random.default_rng([seed, index])
    level, day, week = rng.normal(10, 1), rng.uniform(0.5, 1.5), rng.uniform(0.25, 0.75)
    of_day, of_week = rng.uniform(0, 2 * np.pi, 2)
    driver = np.convolve(rng.normal(size=length + HORIZON + 11), np.full(12, 12**-0.5), "valid")
    hours = 2 * np.pi * np.arange(length)
    season = day * np.sin(hours / 24 + of_day) + week * np.sin(hours / 168 + of_week)
    return level + season + WEIGHT * driver[:length] + rng.normal(0, noise, length), driver[HORIZON:]


@pytest.mark.parametrize("length", [_HOURS - 1, 2 * _HOURS + 5])
def test_a_series_that_is_made_in_blocks_is_the_one_that_is_drawn_at_once(
    tmp_path: Path, length: int
) -> None:
    targets, drivers = target_and_driver(tmp_path / "s", length=length, series=2, seed=3, noise=0.3)

    for index in range(2):
        target, driver = at_once(length, 0.3, 3, index)
        np.testing.assert_allclose(targets[index], target, rtol=0, atol=1e-9)
        np.testing.assert_allclose(drivers[index], driver, rtol=0, atol=1e-12)


def test_the_deviation_of_long_series_is_that_which_a_sweep_scales_by(tmp_path: Path) -> None:
    summary = sample_panel(str(tmp_path / "s"), LOCAL, length=3 * _HOURS, series=2)

    panel = read_shards(tmp_path / "s" / "*.parquet", Columns("time", "series", ("target",), ()))

    deviation = standard(panel, split_panel(panel, Split())).spread[0, 0]
    assert summary.deviation == pytest.approx(deviation, rel=1e-12)


def test_memory_does_not_grow_with_the_sample(tmp_path: Path) -> None:
    program = (
        "import sys; from pyarrow import fs; from jobs.sample import sample_panel; "
        "sample_panel(sys.argv[1], fs.LocalFileSystem(), series=int(sys.argv[2]), length=100_000); "
        "print(*(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    small, large = (
        int(subprocess.check_output([sys.executable, "-c", program, str(tmp_path / series), series]))
        for series in ("60", "200")
    )

    # 140 series more are 14 million rows: 336 MB of times, targets and drivers alone.
    assert large - small < 100_000


def test_progress_tells_the_rows_written(tmp_path: Path) -> None:
    told: list[tuple[str, int, float]] = []

    sample_panel(str(tmp_path / "s"), LOCAL, length=500_000, series=3, progress=lambda *now: told.append(now))

    assert len(told) > 1
    assert told == sorted(told)
    assert told[-1] == ("written", 1_500_000, 1.0)


def test_an_interrupted_sample_leaves_nothing(tmp_path: Path) -> None:
    def press_control_c(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    before = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt):
        sample_panel(str(tmp_path / "s"), LOCAL, series=3, length=500_000, progress=press_control_c)

    assert not list(tmp_path.iterdir())
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive()


def test_more_series_leave_the_first_as_it_is(tmp_path: Path) -> None:
    one, _ = target_and_driver(tmp_path / "one", length=200)
    two, _ = target_and_driver(tmp_path / "two", length=200, series=2)

    np.testing.assert_array_equal(one[0], two[0])
    assert not np.array_equal(two[0], two[1])


@pytest.mark.parametrize("shards", [1, 7, 120])
def test_rows_are_spread_evenly_over_just_so_many_shards(tmp_path: Path, shards: int) -> None:
    summary = sample_panel(str(tmp_path / "s"), LOCAL, length=120, shards=shards)

    rows = [pq.ParquetFile(path).metadata.num_rows for path in sorted((tmp_path / "s").glob("*.parquet"))]
    assert len(rows) == shards == summary.shards
    assert sum(rows) == 120 == summary.rows
    assert max(rows) - min(rows) <= 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"series": 0}, "series is 0 and seed is 0; give 1 or more series and a seed of 0 or more"),
        ({"seed": -1}, "series is 1 and seed is -1; give 1 or more series and a seed of 0 or more"),
        ({"length": 119}, "length is 119; give 120 to 2000000 hours, so that its job can be run"),
        ({"length": 2_000_001}, "length is 2000001; give 120 to 2000000 hours, so that its job can be run"),
        ({"shards": 0}, "shards is 0; give 1 to 2000, the number of rows"),
        ({"shards": 2001}, "shards is 2001; give 1 to 2000, the number of rows"),
        ({"noise": -0.1}, "noise is -0.1; give a standard deviation of 0 or more"),
        ({"noise": float("nan")}, "noise is nan; give a standard deviation of 0 or more"),
    ],
)
def test_arguments_out_of_range_are_refused(tmp_path: Path, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(JobError) as error:
        sample_panel(str(tmp_path / "s"), LOCAL, **options)

    assert str(error.value) == sentence
    assert not list(tmp_path.iterdir())


def test_a_sample_is_replaced_only_when_asked_and_only_if_nothing_else_is_there(tmp_path: Path) -> None:
    sample_panel(str(tmp_path / "s"), LOCAL, shards=4)
    with pytest.raises(JobError, match="/s: the folder is not empty; give another one"):
        sample_panel(str(tmp_path / "s"), LOCAL)

    sample_panel(str(tmp_path / "s"), LOCAL, shards=1, replace=True)
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == ["job.yaml", "part-00000.parquet"]

    (tmp_path / "s" / "mine.txt").write_text("x")
    with pytest.raises(JobError, match=r"/s: holds 'mine\.txt', which is not replaced"):
        sample_panel(str(tmp_path / "s"), LOCAL, replace=True)
