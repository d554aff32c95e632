"""Sharded Parquet data of any size and layout, written a piece at a time, and a short job on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LAYOUTS = ("series", "time", "shuffled")
SERIES = 300
TRIALS = 4
EPOCHS = 5
LOOKBACK, HORIZON = 24, 6
_ROW_GROUP = 1 << 17  # rows


@dataclass(frozen=True)
class Data:
    """A data set of ``SERIES`` series.

    Attributes:
        length: steps of each series.
        columns: numeric ones; the first is the target.
        shards: Parquet files.
        dtype: of the numeric columns in the files.
        layout: the order of the rows: series after series; time after time; or as the second, with the
            rows of each shard shuffled.
    """

    length: int
    columns: int = 8
    shards: int = 36
    dtype: str = "float64"
    layout: str = "series"

    @property
    def rows(self) -> int:
        """Of all series."""
        return self.length * SERIES

    @property
    def row_bytes(self) -> int:
        """Of the panel's float32 values."""
        return self.rows * self.columns * 4

    @property
    def time_bytes(self) -> int:
        """Of the panel's times."""
        return self.rows * 8

    def write(self, folder: Path) -> None:
        """Write the shards."""
        folder.mkdir(parents=True)
        rng = np.random.default_rng(0)
        bounds = np.linspace(0, self.rows, self.shards + 1).astype(np.int64)
        for shard in range(self.shards):
            rows = np.arange(bounds[shard], bounds[shard + 1])
            if self.layout == "shuffled":
                rng.shuffle(rows)
            with pq.ParquetWriter(folder / f"{shard:04d}.parquet", self._schema()) as writer:
                for table in self._tables(rows, rng):
                    writer.write_table(table, row_group_size=_ROW_GROUP)

    def _schema(self) -> pa.Schema:
        numbers = {f"c{index}": pa.type_for_alias(self.dtype) for index in range(self.columns)}
        return pa.schema({"time": pa.timestamp("us"), "series": pa.string()} | numbers)

    def _tables(self, rows: np.ndarray[Any, Any], rng: np.random.Generator) -> Iterator[pa.Table]:
        names = pa.array([f"s{index:05d}" for index in range(SERIES)])
        for begin in range(0, len(rows), _ROW_GROUP):
            piece = rows[begin : begin + _ROW_GROUP]
            owner, step = (
                (piece // self.length, piece % self.length)
                if self.layout == "series"
                else (piece % SERIES, piece // SERIES)
            )
            times = pa.array(step * 3_600_000_000).cast(pa.timestamp("us"))
            values = rng.standard_normal((self.columns, len(piece)), np.float32).astype(self.dtype)
            yield pa.Table.from_arrays([times, names.take(pa.array(owner)), *values], schema=self._schema())

    def job(self, folder: Path) -> dict[str, Any]:
        """Few windows of every series, so that training is short however long the series are."""
        stride = max(self.length, 1)
        return {
            "name": "panel",
            "data": {
                "path": str(folder),
                "time": "time",
                "series": "series",
                "target": "c0",
                "past": [f"c{index}" for index in range(1, self.columns)],
            },
            "window": {
                "lookback": LOOKBACK,
                "horizon": HORIZON,
                "stride": stride,
                "evaluation_stride": stride,
            },
            "model": {"cell": "gru", "layers": 1, "units": {"int": {"min": 4, "max": 32}}},
            "train": {"max_epochs": EPOCHS, "batch_size": 32, "early_stopping": None},
            "search": {"scheduler": "none", "trials": TRIALS, "seed": 7},
        }

    def prepare(self, folder: Path) -> Path:
        """Write data and job file under ``folder``; where the job file is."""
        self.write(folder / "data")
        path = folder / "job.yaml"
        path.write_text(yaml.safe_dump(self.job(folder / "data"), sort_keys=False))
        return path
