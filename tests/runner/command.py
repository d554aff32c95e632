"""The real command on a small real panel, as a user has it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.storage import SweepFolder
from runner.journal import read_journal

JOB = """
name: {name}
data: {{path: {data}, time: time, target: target, past: [driver]}}
window: {{lookback: 12, horizon: 4, stride: 2}}
model:
  cell: {{choice: [simple_rnn, lstm, gru]}}
  units: {{int: {{min: 4, max: 12, step: 2}}}}
  dropout: {{float: {{min: 0.0, max: 0.2, step: 0.1}}}}
train: {{max_epochs: {epochs}, batch_size: 32, learning_rate: 0.003}}
search: {{scheduler: {scheduler}, {trials} seed: 3}}
"""


@dataclass(frozen=True)
class JobWriter:
    """Writes small job files: a trial trains in well under a second."""

    panel: Path

    def __call__(
        self,
        folder: Path,
        *,
        name: str = "small",
        scheduler: str = "asha",
        trials: int | None = 4,
        epochs: int = 3,
    ) -> Path:
        path = folder / f"{name}.yaml"
        asked = f"trials: {trials}," if trials else ""
        path.write_text(
            JOB.format(name=name, data=self.panel, scheduler=scheduler, trials=asked, epochs=epochs)
        )
        return path


@dataclass(frozen=True)
class Recur:
    """Runs the command in a folder of its own."""

    folder: Path

    @property
    def storage(self) -> Path:
        return self.folder / "sweeps"

    def __call__(self, *arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            _command(arguments),
            cwd=self.folder,
            env=_environment(),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *arguments: str | Path) -> Any:
        return json.loads(self(*arguments, "--json").stdout)

    def start(self, *arguments: str | Path, **options: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(_command(arguments), cwd=self.folder, env=_environment(), **options)


def _command(arguments: Sequence[str | Path]) -> list[str]:
    return [sys.executable, "-m", "runner.cli", *map(str, arguments)]


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("RECUR_")}


def journal(sweep: Path) -> list[dict[str, Any]]:
    """Every whole event of a sweep's journal, in order."""
    return read_journal(SweepFolder.from_uri(str(sweep)))


def content(sweep: Path, *kinds: str) -> list[dict[str, Any]]:
    """What a sweep's journal says but for times: all of it, or events of these kinds."""
    return [
        {key: value for key, value in event.items() if key not in {"time", "seconds", "vitals"}}
        for event in journal(sweep)
        if not kinds or event["event"] in kinds
    ]
