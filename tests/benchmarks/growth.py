"""How opening a panel grows with its shards, its series and its length.

Run as ``python -m tests.benchmarks.growth [--only shards]``; ``--help`` shows the rest.

Three sizes each: shards of 100 rows (1,000, 3,000, 10,000 of them), series of 60 points (20,000, 60,000,
200,000) and one series (5, 15, 50 million points).  Each opening runs in a process of its own, which imports
everything first; printed are the seconds of the first opening, into an empty cache, and of the second, and
the largest resident set.  The last column is the time a row against that of the smallest size: 1 is linear.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SIZES = {
    "shards": (1_000, 3_000, 10_000),
    "series": (20_000, 60_000, 200_000),
    "points": (5_000_000, 15_000_000, 50_000_000),
}
_ROWS, _POINTS = 100, 60  # of a shard; of a series
_HOUR = np.timedelta64(1, "h")
_BEGIN = np.datetime64("2020-01-01", "s")
_CHILD = """
import json, sys, time
from jobs.source import Columns
from runner.data import open_panel
columns = Columns("time", sys.argv[2] or None, ("y",), ())
began = time.perf_counter()
rows = len(open_panel(sys.argv[1], columns).times)
seconds = time.perf_counter() - began
(peak,) = (line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([rows, seconds, int(peak) / 1e3]))
"""


def write(kind: str, size: int, folder: Path) -> None:
    """The shards of one case."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    if kind == "shards":
        for shard in range(size):
            times = _BEGIN + (shard * _ROWS + np.arange(_ROWS)) * _HOUR
            pq.write_table(
                pa.table({"time": times, "y": rng.normal(size=_ROWS)}), folder / f"{shard:05d}.parquet"
            )
        return
    if kind == "points":
        times = _BEGIN + np.arange(size).astype("timedelta64[s]")
        pq.write_table(pa.table({"time": times, "y": rng.normal(size=size)}), folder / "0.parquet")
        return
    ids = np.repeat(np.arange(size), _POINTS)
    times = _BEGIN + np.tile(np.arange(_POINTS), size) * _HOUR
    table = pa.table({"id": ids, "time": times, "y": rng.normal(size=len(ids))})
    for number in range(10):
        part = table.slice(number * len(ids) // 10, len(ids) // 10)
        pq.write_table(part, folder / f"{number}.parquet")


def opened(folder: Path, series: str, cache: Path) -> tuple[int, float, float]:
    """Rows, seconds and peak megabytes of one opening."""
    command = [sys.executable, "-c", _CHILD, str(folder), series]
    environment = os.environ | {"RECUR_CACHE": str(cache)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    rows, seconds, megabytes = json.loads(done.stdout)
    return rows, seconds, megabytes


def main() -> None:
    """Write, open and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.growth", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--only", choices=SIZES)
    chosen = parser.parse_args().only
    for kind, sizes in SIZES.items():
        if chosen not in {None, kind}:
            continue
        first = None
        for size in sizes:
            with tempfile.TemporaryDirectory(prefix="recur-growth-") as place:
                write(kind, size, Path(place) / "data")
                series = "id" if kind == "series" else ""
                both = [opened(Path(place) / "data", series, Path(place) / "cache") for _ in range(2)]
            (rows, seconds, megabytes), (_, again, _) = both
            first = first or seconds / rows
            print(
                f"{size:>11,} {kind}: {rows:,} rows, first {seconds:.2f} s, again {again:.3f} s, "
                f"peak {megabytes:.0f} MB, {seconds / rows / first:.2f} x the time a row"
            )


if __name__ == "__main__":
    main()
