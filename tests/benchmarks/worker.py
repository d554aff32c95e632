"""A warm training process: how soon its next trial makes a step, and what many trials leave in memory.

Run as ``python -m tests.benchmarks.worker [--trials 200] [--backend tensorflow]``.

The first table gives the seconds from the order to train until the first step is done, for a shape that the
process has trained before and for a new one; *short* is a trial whose work is too little for XLA to pay,
*long* one that XLA compiles for, with an empty cache of compiled programs and then with a full one.  The
second gives the process's resident memory after 10 trials of different shapes and after all; nothing is
replaced.  Nothing is asserted about time or memory.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from runner.process import environment
from tests.benchmarks._panel import make_panel, make_params, make_task

LOOKBACK = 96
SHORT, LONG = 1, 1000  # epochs
CELLS = ("simple_rnn", "lstm", "gru")


class _FirstStep:
    """Hooks that end the trial at its first question, which comes after the first batch."""

    def report(self, report: object) -> bool:
        """Not reached."""
        raise AssertionError(report)

    def save(self, *, state: Any, model: bytes | None, epoch: int, wait: bool) -> None:
        """Not reached."""
        raise AssertionError(epoch, state, model, wait)

    def interrupted(self, *, alive: bool = True) -> bool:
        """Leave."""
        del alive
        return True


class _All(_FirstStep):
    """Hooks that let the trial run to its end."""

    def report(self, report: object) -> bool:
        """Go on."""
        del report
        return True

    def save(self, *, state: Any, model: bytes | None, epoch: int, wait: bool) -> None:
        """Drop it."""
        del state, model, epoch, wait

    def interrupted(self, *, alive: bool = True) -> bool:
        """Stay."""
        del alive
        return False


def starts(epochs: int) -> dict[str, float]:
    """Median seconds until the first step, by whether the shape is new, over cells and depths."""
    from jobs import feed
    from jobs.train import train

    feed.MOST_BATCHES = 1  # so that the first question comes after the first step
    panel = make_panel(4000)
    found: dict[str, list[float]] = {}
    train(make_task(make_params("gru", 1, 5, lookback=LOOKBACK, epochs=SHORT), panel, 0), _FirstStep())
    for cell in CELLS:
        for layers in (1, 2):
            for kind in ("new", "seen", "seen"):
                params = make_params(cell, layers, 20, lookback=LOOKBACK, epochs=epochs)
                began = time.perf_counter()
                train(make_task(params, panel, len(found)), _FirstStep())
                label = f"{kind} shape, {layers} layer{'s' * (layers > 1)}"
                found.setdefault(label, []).append(time.perf_counter() - began)
    return {label: statistics.median(seconds) for label, seconds in found.items()}


def memory(trials: int) -> dict[str, float]:
    """Resident megabytes after 10 trials and after all, each of another shape."""
    from jobs.train import train

    panel = make_panel(1500)
    found = {}
    for number in range(trials):
        cell, layers, units = CELLS[number % 3], 1 + number // 3 % 3, 4 + number // 9
        params = make_params(cell, layers, units, lookback=24, epochs=2)
        train(make_task(params, panel, number), _All())
        if number + 1 in (10, trials):
            found[f"after {number + 1} trials"] = _resident() / 1e6
    return found


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _child(what: str, argument: int, backend: str, cache: str) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.worker", "--one", what, "--trials", str(argument)]
    env = environment(backend=backend, threads=1)
    env |= {
        "TF_XLA_FLAGS": f"--tf_xla_persistent_cache_directory={cache}",
        "JAX_COMPILATION_CACHE_DIR": cache,
    }
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure in fresh processes of one thread and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.worker", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--backend", choices=["tensorflow", "jax"], default="tensorflow")
    parser.add_argument("--one", choices=["starts", "memory"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps({"starts": starts, "memory": memory}[arguments.one](arguments.trials)))
        return
    with tempfile.TemporaryDirectory(prefix="recur-bench-") as cache:
        for title, epochs in (("short", SHORT), ("long", LONG), ("long, compiled before", LONG)):
            for label, seconds in _child("starts", epochs, arguments.backend, cache).items():
                print(f"{title:<24}{label:<24}{seconds:>8.2f} s until the first step", flush=True)
        found = _child("memory", arguments.trials, arguments.backend, cache)
    few, all_ = found.values()
    print(
        f"memory: {', '.join(f'{label} {size:.0f} MB' for label, size in found.items())}: {all_ / few:.2f} x"
    )


if __name__ == "__main__":
    main()
