"""How long a panel takes to open, and in how much memory, against reading the same columns with PyArrow.

Run as ``python -m tests.benchmarks.opening [--gigabytes 2] [--shards 200]``; ``--help`` shows the rest.

The size is that of the panel's float32 values.  Each opening runs in a process of its own, which imports
everything first and is timed from then on: ``pyarrow.dataset(folder).to_table(columns)``; Recur's first
opening, into an empty cache; and its second.  They take turns, after one reading that nobody counts, so that
all of them find the shards in the page cache; medians are printed.  The peak is the process's largest
resident set above what it had before, mapped files included as far as they were touched.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks._panel_data import LAYOUTS, SERIES, Data

GB = 1e9
WAYS = ("to_table", "first", "again")


def open_once(way: str, folder: Path, columns: int) -> None:
    """Open the shards in this process and print seconds and bytes."""
    import pyarrow.dataset as ds

    from jobs.source import Columns
    from runner.data import open_panel

    names = [f"c{index}" for index in range(columns)]
    before, began = _resident(), time.perf_counter()
    if way == "to_table":
        rows = ds.dataset(folder).to_table(columns=["series", "time", *names]).num_rows
    else:
        rows = len(open_panel(str(folder), Columns("time", "series", (names[0],), tuple(names[1:]))).times)
    seconds = time.perf_counter() - began
    print(json.dumps({"rows": rows, "seconds": seconds, "bytes": _resident("VmHWM") - before}))


def _resident(name: str = "VmRSS") -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))


def measure(data: Data, repeats: int) -> dict[str, list[dict[str, float]]]:
    """Write the data, and open it in every way so many times."""
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory(prefix="op-") as place:
        folder, cache = Path(place) / "data", Path(place) / "cache"
        data.write(folder)
        _child("to_table", folder, cache, data)
        for _ in range(repeats):
            shutil.rmtree(cache, ignore_errors=True)
            for way in WAYS:
                found[way].append(_child(way, folder, cache, data))
    return found


def _child(way: str, folder: Path, cache: Path, data: Data) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.opening", "--open", way, str(folder)]
    shape = ["--columns", str(data.columns)]
    environment = os.environ | {"RECUR_CACHE": str(cache)}
    run = subprocess.run([*command, *shape], env=environment, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(run.stdout)
    assert found["rows"] == data.rows, "nothing is left out"
    return found


def table(data: Data, found: dict[str, list[dict[str, float]]]) -> str:
    """Medians, and what they are against ``to_table``'s time and against the size of the values."""
    size = data.row_bytes
    lines = [
        f"{data.rows:,} rows x {data.columns} columns, {data.dtype}, {data.shards} shards, by {data.layout}",
        f"{SERIES} series; values {size / GB:.2f} GB, times {data.time_bytes / GB:.2f} GB",
        f"{'way':<10}{'seconds':>10}{'ratio':>8}{'peak GB':>10}{'x values':>10}",
    ]
    median = {way: statistics.median(run["seconds"] for run in runs) for way, runs in found.items()}
    for way, runs in found.items():
        peak = max(run["bytes"] for run in runs)
        ratio = median[way] / median["to_table"]
        lines.append(f"{way:<10}{median[way]:>10.3f}{ratio:>8.2f}{peak / GB:>10.2f}{peak / size:>10.2f}")
    return "\n".join(lines)


def main() -> None:
    """Measure, or open once where a parent asks for it."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.opening", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--gigabytes", type=float, default=2.0, help="of float32 values: %(default)s")
    parser.add_argument("--shards", type=int, default=200, help="Parquet files: %(default)s")
    parser.add_argument("--columns", type=int, default=7, help="numeric columns: %(default)s")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float64", help="%(default)s")
    parser.add_argument("--layout", choices=LAYOUTS, default="series", help="order of rows: %(default)s")
    parser.add_argument("--repeats", type=int, default=3, help="of each way: %(default)s")
    parser.add_argument("--open", nargs=2, metavar=("WAY", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.open:
        open_once(arguments.open[0], Path(arguments.open[1]), arguments.columns)
        return
    length = round(arguments.gigabytes * GB / 4 / arguments.columns / SERIES)
    shape = {name: getattr(arguments, name) for name in ("columns", "shards", "dtype", "layout")}
    data = Data(length, **shape)
    print(table(data, measure(data, arguments.repeats)))


if __name__ == "__main__":
    main()
