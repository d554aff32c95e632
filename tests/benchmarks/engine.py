"""Equal work for KerasTuner, plain Ray Tune and Recur: how long each takes, as a user would start it.

Run as ``python -m tests.benchmarks.engine [--only kerastuner,ray,recur] [--configs 24] [--epochs 3]``.

Fixed configurations (every combination of cell, 1-2 layers and 16-64 units) are each trained once, for the
same epochs, on the same 3,000 windows of one synthetic series, and scored on the same 1,000.  Each system is
a process of its own, timed from its start to its end, imports and start-up included; Recur's time also holds
its checkpoints, its best model and its test score.  Nothing is asserted about time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks import _engine_recur as recur
from tests.benchmarks._engine_work import Grid, Work
from tests.benchmarks._processes import adopt_orphans, timed

if TYPE_CHECKING:
    from collections.abc import Callable

QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "RAY_USAGE_STATS_ENABLED": "0"}  # no chatter, nothing sent anywhere


@dataclass(frozen=True)
class System:
    """One competitor: the command that does a work, and where its best val_loss is found afterwards."""

    title: str
    command: Callable[[Work], list[str]]
    score: Callable[[Work, str], float]


def _script(module: str) -> Callable[[Work], list[str]]:
    return lambda work: [sys.executable, "-m", f"tests.benchmarks.{module}", str(work.folder)]


SYSTEMS = {
    "kerastuner": System(
        "KerasTuner search", _script("_engine_kerastuner"), lambda work, _stdout: work.best_score()
    ),
    "ray": System("plain Ray Tune", _script("_engine_ray"), lambda work, _stdout: work.best_score()),
    "recur": System("Recur", recur.command, recur.score),
}


@dataclass(frozen=True)
class Result:
    """What one system took and found."""

    title: str
    seconds: float
    cpu_seconds: float | None
    val_loss: float


def measure(system: System, grid: Grid, epochs: int) -> Result:
    """Run one system in a fresh scratch folder.

    Raises:
        SystemExit: it failed; the end of its log is the message.
    """
    with tempfile.TemporaryDirectory(prefix="recur-engine-") as folder:
        work = Work(Path(folder), grid, epochs)
        work.save()
        out, log = work.folder / "stdout.txt", work.folder / "stderr.txt"
        with out.open("w") as stdout, log.open("w") as stderr:
            usage = timed(system.command(work), env=os.environ | QUIET, stdout=stdout, stderr=stderr)
        if usage.returncode:
            tail = log.read_text(errors="replace")[-3_000:]
            raise SystemExit(f"{system.title} failed with exit code {usage.returncode}:\n{tail}")
        return Result(system.title, usage.seconds, usage.cpu_seconds, system.score(work, out.read_text()))


def table(results: dict[str, Result], grid: Grid, epochs: int) -> str:
    """Seconds, ratio to Recur, processor seconds and best val_loss of each."""
    title = f"{grid.size} configurations x {epochs} epochs, {os.cpu_count()} cores, {platform.machine()}"
    lines = [title, f"{'system':<20}{'seconds':>9}{'x Recur':>9}{'CPU s':>9}{'val_loss':>10}"]
    ours = results.get("recur")
    for result in results.values():
        ratio = f"{result.seconds / ours.seconds:.2f}" if ours else "-"
        cpu = "-" if result.cpu_seconds is None else f"{result.cpu_seconds:.1f}"
        line = f"{result.title:<20}{result.seconds:>9.1f}{ratio:>9}{cpu:>9}{result.val_loss:>10.4f}"
        lines.append(line)
    return "\n".join(lines)


def document(results: dict[str, Result], grid: Grid, epochs: int) -> str:
    """The same as JSON."""
    ours = results.get("recur")
    systems = {
        name: asdict(result) | {"ratio_to_recur": result.seconds / ours.seconds if ours else None}
        for name, result in results.items()
    }
    return json.dumps(
        {"configurations": grid.size, "epochs": epochs, "cores": os.cpu_count(), "systems": systems}, indent=2
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.engine", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--only", default=",".join(SYSTEMS), help="systems, comma-separated: %(default)s")
    parser.add_argument("--configs", type=int, default=24, help="how many configurations: %(default)s")
    parser.add_argument("--epochs", type=int, default=3, help="epochs for each: %(default)s")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of the table")
    arguments = parser.parse_args()
    arguments.only = arguments.only.split(",")
    if unknown := set(arguments.only) - set(SYSTEMS):
        parser.error(f"--only: {', '.join(sorted(unknown))} is none of {', '.join(SYSTEMS)}")
    if "recur" in arguments.only and not recur.RECUR.exists():
        parser.error(f"the command recur is not beside {sys.executable}; install the project there first")
    try:
        arguments.grid = Grid.of_size(arguments.configs)
    except ValueError as error:
        parser.error(f"--configs: {error}")
    return arguments


def main() -> None:
    """Run the systems one after the other and print how they compare."""
    arguments = _arguments()
    adopt_orphans()
    results = {}
    for name in arguments.only:
        print(f"running {SYSTEMS[name].title} ...", file=sys.stderr)
        results[name] = measure(SYSTEMS[name], arguments.grid, arguments.epochs)
    show = document if arguments.json else table
    print(show(results, arguments.grid, arguments.epochs))


if __name__ == "__main__":
    main()
