"""The memory that a large panel costs: ``recur run`` on it against the same run on a tiny one.

Run as ``python -m tests.benchmarks.panel_memory [--gigabytes 1] [--workers 2]``; ``--help`` shows the rest.

The size is that of the panel's float32 values; its times (int64, one a row) come on top and are printed too.
Counted are, ten times a second, the proportional set sizes of all processes of the run plus shared
memory, nothing twice (see ``_memory.Peaks``); the page cache of a mapped file counts as far as some process
has touched and not given back the mapping.  Windows are so far apart that an epoch has a few hundred of them:
what is measured is the panel, not the list of windows (8 bytes a window in each worker).

Phases: *opening* the panel, up to the first file of the sweep's folder; *starting* Ray and the workers, up to
the first result; *training*, up to the last trial's end; *publishing*, with the test part's score.  Nothing
is asserted about memory.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks._memory import Peaks
from tests.benchmarks._panel_data import LAYOUTS, SERIES, TRIALS, Data
from tests.benchmarks._processes import adopt_orphans, timed

QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "RAY_USAGE_STATS_ENABLED": "0"}  # no chatter, nothing sent anywhere
PHASES = ("opening", "starting", "training", "publishing")
TINY_LENGTH = 300
EVERY = 0.1  # seconds between two looks
GB = 1e9


@dataclass(frozen=True)
class Result:
    """One run: its panel, how long it took and the most memory in each phase, in bytes."""

    data: Data
    seconds: float
    peaks: dict[str, int]


def measure(data: Data, workers: int, temp: Path | None) -> Result:
    """Write the data and run the sweep, in a fresh folder.

    Raises:
        SystemExit: the run failed; the end of its log is the message.
    """
    with tempfile.TemporaryDirectory(prefix="pm-") as place, tempfile.TemporaryDirectory(dir=temp) as scratch:
        folder = Path(place)
        job, sweep = data.prepare(folder), folder / "sweeps" / "panel"
        peaks = Peaks(lambda: _phase(sweep), Path(scratch))
        command = [sys.executable, "-m", "runner.cli", "run", str(job), "--storage", str(sweep.parent)]
        log = folder / "log.txt"
        with log.open("w") as output:
            usage = timed(
                [*command, "--workers", str(workers)],
                env=os.environ | QUIET | {"TMPDIR": scratch},
                stdout=output,
                stderr=output,
                every=EVERY,
                look=peaks,
            )
        if usage.returncode:
            raise SystemExit(f"exit code {usage.returncode}:\n{log.read_text(errors='replace')[-3_000:]}")
        return Result(data, usage.seconds, peaks.seen)


def _phase(sweep: Path) -> str:
    if not (sweep / "spec.yaml").exists():
        return "opening"
    journal = "".join(path.read_text() for path in (sweep / "journal").glob("*.jsonl"))
    if '"event":"result"' not in journal:
        return "starting"
    return "training" if journal.count('"event":"end"') < TRIALS else "publishing"


def table(large: Result, tiny: Result) -> str:
    """Peaks of both runs and what lies between them, in GB and as a share of the panel's values."""
    size = large.data.row_bytes
    data = large.data
    lines = [
        f"{data.rows:,} rows x {data.columns} columns, {data.dtype}, {data.shards} shards, by {data.layout}",
        f"{SERIES} series; values {size / GB:.2f} GB, times {data.time_bytes / GB:.2f} GB",
        f"{'phase':<12}{'large GB':>10}{'tiny GB':>10}{'above':>10}{'x values':>10}",
    ]
    for phase in (*PHASES, "whole run"):
        one, other = (_peak(result, phase) for result in (large, tiny))
        above = one - other
        lines.append(
            f"{phase:<12}{one / GB:>10.2f}{other / GB:>10.2f}{above / GB:>10.2f}{above / size:>10.2f}"
        )
    lines.append(f"{'seconds':<12}{large.seconds:>10.1f}{tiny.seconds:>10.1f}")
    return "\n".join(lines)


def _peak(result: Result, phase: str) -> int:
    return result.peaks.get(phase, 0) if phase in PHASES else max(result.peaks.values())


def document(large: Result, tiny: Result) -> str:
    """The same as JSON, in bytes."""
    return json.dumps(
        {
            name: {
                "rows": result.data.rows,
                "row_bytes": result.data.row_bytes,
                "time_bytes": result.data.time_bytes,
                "seconds": result.seconds,
                "peaks": result.peaks,
            }
            for name, result in (("large", large), ("tiny", tiny))
        },
        indent=2,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.panel_memory", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--gigabytes", type=float, default=1.0, help="of float32 values: %(default)s")
    parser.add_argument("--workers", type=int, default=2, help="trials at a time: %(default)s")
    parser.add_argument("--columns", type=int, default=8, help="numeric columns: %(default)s")
    parser.add_argument("--shards", type=int, default=36, help="Parquet files: %(default)s")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float64", help="%(default)s")
    parser.add_argument("--layout", choices=LAYOUTS, default="series", help="order of rows: %(default)s")
    parser.add_argument("--temp", type=Path, help="where the run's temporary folder goes, such as /dev/shm")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of the table")
    return parser.parse_args()


def main() -> None:
    """Run both and print how they compare."""
    arguments = _arguments()
    adopt_orphans()
    shape = {name: getattr(arguments, name) for name in ("columns", "shards", "dtype", "layout")}
    length = round(arguments.gigabytes * GB / 4 / arguments.columns / SERIES)
    results = []
    for steps in (length, TINY_LENGTH):
        print(f"running on {SERIES} series of {steps:,} steps ...", file=sys.stderr)
        results.append(measure(Data(steps, **shape), arguments.workers, arguments.temp))
    print((document if arguments.json else table)(*results))


if __name__ == "__main__":
    main()
