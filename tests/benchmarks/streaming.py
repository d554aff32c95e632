"""Training on a panel that is larger than ``data.memory``, against the same network on one that is in memory.

Run as ``python -m tests.benchmarks.streaming [--gigabytes 12] [--memory 1GB]``; ``--help`` shows the rest.

Each is a ``recur run`` of GRU(32) networks, lookback 96, 7 columns, batches of 64, a trial on each of two
workers, with an empty cache; it is interrupted (as by Ctrl-C) after so many seconds of training.  What is
printed is in the journal: windows a second while training, the median over epochs, and the largest peak
resident memory of a training process, mapped pages included.  The shards' size is that of the panel's float32
values; they are written first, which takes a while.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from tests.benchmarks._panel_data import SERIES, Data

GB = 1e9
COLUMNS, LOOKBACK, HORIZON, EPOCH = 7, 96, 24, 65_536


def run(gigabytes: float, memory: str | None, seconds: float) -> dict[str, float]:
    """Write the data, train on them for a while, and tell what was found."""
    length = round(gigabytes * GB / 4 / COLUMNS / SERIES)
    data = Data(length, columns=COLUMNS, shards=max(2, round(gigabytes * 10)), dtype="float32")
    with tempfile.TemporaryDirectory(prefix="st-") as place:
        folder = Path(place)
        job = folder / "job.yaml"
        data.write(folder / "data")
        job.write_text(yaml.safe_dump(_job(data, folder, memory)))
        command = [sys.executable, "-m", "runner.cli", "run", str(job), "--storage", str(folder / "sweeps")]
        began = time.perf_counter()
        environment = os.environ | {"RECUR_CACHE": str(folder / "cache"), "TF_CPP_MIN_LOG_LEVEL": "3"}
        with (folder / "log").open("w") as log:
            process = subprocess.Popen([*command, "--workers", "2"], env=environment, stdout=log, stderr=log)
            opened = _wait_for_epochs(process, folder, seconds) - began
        vitals = [event["vitals"] for event in _events(folder) if event["event"] == "result"]
        return {
            "gigabytes": data.row_bytes / GB,
            "first_epoch_after": opened,
            "epochs": len(vitals),
            "windows_per_second": statistics.median(each["windows_per_second"] for each in vitals),
            "peak_gb": max(each["peak_memory_mb"] for each in vitals) / 1000,
        }


def _job(data: Data, folder: Path, memory: str | None) -> dict[str, Any]:
    job = data.job(folder / "data")
    job["data"]["memory"] = memory
    return job | {
        "window": {"lookback": LOOKBACK, "horizon": HORIZON},
        "model": {"cell": "gru", "units": 32},
        "train": {"max_epochs": 1, "batch_size": 64, "early_stopping": None},
        "search": {"scheduler": "none", "trials": 2, "seed": 7, "resource": "windows", "windows": EPOCH},
    }


def _events(folder: Path) -> list[dict[str, Any]]:
    lines = [
        line
        for path in sorted((folder / "sweeps").glob("*/journal/*.jsonl"))
        for line in path.open(newline="\n")
    ]
    return [json.loads(line.partition(" ")[2]) for line in lines if line.endswith("\n")]


def _wait_for_epochs(process: subprocess.Popen[bytes], folder: Path, seconds: float) -> float:
    """Interrupt the run so long after its first epoch; when that was."""
    while not any(event["event"] == "result" for event in _events(folder)):
        if process.poll() is not None:
            raise SystemExit((folder / "log").read_text()[-3000:])
        time.sleep(0.5)
    first = time.perf_counter()
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    process.wait()
    return first


def main() -> None:
    """Run both and print how they compare."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.streaming", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--gigabytes", type=float, default=12.0, help="of the large panel: %(default)s")
    parser.add_argument("--memory", default="1GB", help="data.memory for it: %(default)s")
    parser.add_argument("--small", type=float, default=0.5, help="gigabytes of the other: %(default)s")
    parser.add_argument("--seconds", type=float, default=60.0, help="of training: %(default)s")
    arguments = parser.parse_args()
    small = run(arguments.small, None, arguments.seconds)
    large = run(arguments.gigabytes, arguments.memory, arguments.seconds)
    print(f"{'panel GB':>10}{'first epoch after s':>22}{'epochs':>8}{'windows/s':>12}{'peak GB':>10}")
    for found in (small, large):
        print(
            f"{found['gigabytes']:>10.2f}{found['first_epoch_after']:>22.1f}{found['epochs']:>8.0f}"
            f"{found['windows_per_second']:>12,.0f}{found['peak_gb']:>10.2f}"
        )
    print(f"ratio of windows/s: {large['windows_per_second'] / small['windows_per_second']:.2f}")


if __name__ == "__main__":
    main()
