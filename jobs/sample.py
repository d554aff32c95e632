"""A synthetic hourly panel whose best possible forecast error is known, with a job to run on it.

Hour ``t`` of a series is

    target[t] = level + day·sin(2πt/24 + φ) + week·sin(2πt/168 + ψ) + 0.5·driver[t - 24] + noise·ε[t]

with level, day, week, φ and ψ drawn once a series, ``driver`` the mean of 12 hours of white noise scaled to
variance 1, and ε independent standard normal.  Up to 24 hours ahead all but ε is known from the past, and ε
from nothing, so no forecast has an expected squared error below ``noise``²; the formula itself attains it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import fs as pafs

from jobs.dataspec import Split
from jobs.errors import JobError
from jobs.folders import SHARD, even_sizes, new_folder, write_shards
from jobs.moments import Moments
from jobs.origins import Progress
from jobs.panel import Panel
from jobs.parts import split_panel

HORIZON = 24  # hours; as far as the driver leads the target
LOOKBACK = 48  # hours
WEIGHT = 0.5  # of the driver

_SMOOTH = 12  # hours
_HOURS = 1 << 17  # of a series that are made at a time
_START = np.datetime64("2024-01-01T00", "ns")
_SHORTEST = 120  # steps, so that each part of the default split holds a window
_LONGEST = 2_000_000  # steps; the hours of a timestamp[ns] end in 2262
_OURS = re.compile(rf"{SHARD.pattern}|job\.yaml")

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SampleSummary:
    """What a sample holds, and the error to compare with.

    Attributes:
        shards: Parquet files.
        rows: in all of them.
        series: number of series.
        best_mse: lowest possible mean squared error up to 24 hours ahead, in the target's own units squared.
        deviation: of the target over the training part, which scales a sweep's ``val_loss`` and ``mse``.
        best_scaled_mse: ``best_mse`` over ``deviation`` squared: what no ``mse`` of a sweep stays below.
    """

    shards: int
    rows: int
    series: int
    best_mse: float
    deviation: float
    best_scaled_mse: float


def sample_panel(  # noqa: PLR0913 - one argument an option of the command
    out: str,
    fs: pafs.FileSystem,
    *,
    series: int = 1,
    length: int = 2000,
    shards: int = 4,
    noise: float = 0.1,
    seed: int = 0,
    replace: bool = False,
    progress: Progress = lambda *_: None,
) -> SampleSummary:
    """Write the panel as shards with ``job.yaml`` beside them; equal arguments give equal values.

    Columns: ``time``, ``series`` (ids; only when there are several), ``target``, ``driver``.  Rows are drawn
    as they are written: memory does not grow with the panel.

    Args:
        out: the folder to make, a whole path of ``fs``.
        fs: where ``out`` lies.
        series: how many series; more of them leave the first ones as they are.
        length: hours of each.
        shards: how many Parquet files the rows are spread over, evenly.
        noise: standard deviation of what cannot be forecast; the rest of the target varies by about 1.
        seed: of everything random.
        replace: put the new sample in the place of the one in ``out``.
        progress: called with ``written``, the rows so far and their share of all.

    Raises:
        JobError: an argument is out of range, or ``out`` may not be replaced or cannot be written.
    """
    _check(series=series, length=length, shards=shards, noise=noise, seed=seed)
    rows, training = series * length, _Training(length)
    with new_folder(fs, out, replace=replace, ours=_OURS) as folder:
        blocks = (block for index in range(series) for block in _draw(index, length, noise, seed))
        tables = _tables(series, blocks, training)
        write_shards(fs, folder, _schema(series), tables, even_sizes(rows, shards), progress)
        deviation = training.deviation
        summary = SampleSummary(shards, rows, series, noise**2, deviation, (noise / deviation) ** 2)
        with fs.open_output_stream(f"{folder}/job.yaml") as stream:
            stream.write(_job(summary, seed).encode())
    return summary


def _check(*, series: int, length: int, shards: int, noise: float, seed: int) -> None:
    if series < 1 or seed < 0:
        raise JobError(
            f"series is {series} and seed is {seed}; give 1 or more series and a seed of 0 or more"
        )
    if not _SHORTEST <= length <= _LONGEST:
        raise JobError(
            f"length is {length}; give {_SHORTEST} to {_LONGEST} hours, so that its job can be run"
        )
    if not 1 <= shards <= series * length:
        raise JobError(f"shards is {shards}; give 1 to {series * length}, the number of rows")
    if not 0 <= noise < math.inf:
        raise JobError(f"noise is {noise}; give a standard deviation of 0 or more")


@dataclass(frozen=True)
class _Block:
    """Some hours of a series from hour ``start`` on, (hours,) each."""

    series: int
    start: int
    target: FloatArray
    driver: FloatArray


def _draw(series: int, length: int, noise: float, seed: int) -> Iterator[_Block]:
    """One series, of which no more than its shocks is held as a whole: they are drawn before the noise is."""
    rng = np.random.default_rng([seed, series])
    level, day, week = rng.normal(10, 1), rng.uniform(0.5, 1.5), rng.uniform(0.25, 0.75)
    of_day, of_week = rng.uniform(0, 2 * np.pi, 2)
    shocks = rng.normal(size=length + HORIZON + _SMOOTH - 1)
    for start in range(0, length, _HOURS):
        hours = np.arange(start, min(start + _HOURS, length))
        # From HORIZON hours before the start of the block.
        needed = shocks[start : start + len(hours) + HORIZON + _SMOOTH - 1]
        driver = np.convolve(needed, np.full(_SMOOTH, _SMOOTH**-0.5), "valid")
        wave = day * np.sin(2 * np.pi * hours / 24 + of_day) + week * np.sin(
            2 * np.pi * hours / 168 + of_week
        )
        target = level + wave + WEIGHT * driver[: len(hours)] + rng.normal(0, noise, len(hours))
        yield _Block(series, start, target, driver[HORIZON:])


class _Training:
    """The part of the targets by which a sweep scales, in the split that the job leaves at its default."""

    def __init__(self, length: int) -> None:
        nothing, offsets = np.empty((0, 1), np.float32), np.array([0, length])
        panel = Panel(("target",), 1, nothing, np.empty(0, np.int64), offsets, (None,), "int64")
        self._hours = int(split_panel(panel, Split()).train_end[0])
        self._seen: Moments | None = None

    def add(self, block: _Block) -> None:
        """See what of a block belongs to it."""
        seen = block.target[: max(self._hours - block.start, 0)]
        if len(seen):
            found = Moments.of(seen.astype(np.float32)[:, None])
            self._seen = self._seen.and_also(found) if self._seen else found

    @property
    def deviation(self) -> float:
        """Of all that was seen; 1 of a constant."""
        assert self._seen is not None, "a series has hours to train on"  # noqa: S101
        return math.sqrt(float(self._seen.variance[0, 0])) or 1.0


def _tables(series: int, blocks: Iterable[_Block], training: _Training) -> Iterator[pa.Table]:
    """The blocks as they are written."""
    schema, width = _schema(series), len(str(series - 1))
    for block in blocks:
        training.add(block)
        hours = np.arange(block.start, block.start + len(block.target))
        columns = {
            "time": _START + hours * np.timedelta64(1, "h"),
            "series": pa.repeat(f"s{block.series:0{width}d}", len(hours)),
            "target": block.target,
            "driver": block.driver,
        }
        yield pa.table([columns[name] for name in schema.names], schema)


def _schema(series: int) -> pa.Schema:
    ids = [("series", pa.string())] if series > 1 else []
    numbers = [("target", pa.float64()), ("driver", pa.float64())]
    return pa.schema([("time", pa.timestamp("ns")), *ids, *numbers])


def _job(summary: SampleSummary, seed: int) -> str:
    series = "  series: series\n" if summary.series > 1 else ""
    best, noise, deviation = (
        f"{value:.4g}" for value in (summary.best_scaled_mse, summary.best_mse, summary.deviation)
    )
    return f"""\
# Recur's synthetic sample.  On average no forecast has an mse below {best}: the variance
# of the noise, {noise}, over the target's, {deviation} squared, in which val_loss and mse are measured.

name: sample

data:
  path: .                         # the Parquet shards beside this file
  time: time
{series}  target: target
  past: [driver]                  # what happens to it now happens to the target {HORIZON} hours later

window: {{lookback: {LOOKBACK}, horizon: {HORIZON}}}

model:
  cell: {{choice: [simple_rnn, lstm, gru]}}
  units: {{int: {{min: 16, max: 48, step: 16}}}}

train:
  learning_rate: {{float: {{min: 1.0e-3, max: 1.0e-2, sampling: log}}}}
  max_epochs: 5

search:
  scheduler: asha
  trials: 6
  seed: {seed}
"""
