from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from cluster.errors import ClusterError
from cluster.storage import Storage
from jobs.errors import JobError
from jobs.jobfile import dump_job
from runner.cli import cli, exit_code
from runner.errors import Interrupted, WorkFailedError
from tests.runner.curves import make_job
from tests.runner.events import start, trained, trial, write

README = Path(__file__).parents[2] / "README.md"
HEAVY = ("keras", "tensorflow", "ray", "pandas", "pyarrow", "numpy", "pydantic", "rich", "yaml")


def test_help_imports_nothing_heavy() -> None:
    """Which is why it is instant."""
    code = (
        "import sys; from runner.cli import exit_code; exit_code(['--help']); "
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
    assert "Exit codes: 0 done, 1 the work failed" in done.stdout


@pytest.mark.parametrize("command", ["status", "best", "list"])
def test_what_reads_a_sweep_of_this_machine_needs_no_arrays(tmp_path: Path, command: str) -> None:
    """Importing them takes longer than reading ten thousand trials."""
    folder = Storage.open(str(tmp_path)).sweep("small")
    folder.begin(dump_job(make_job()).encode())
    write(folder, 1, start(), trial(0), *trained(0, 0.5))
    code = (
        "import sys; from runner.cli import exit_code; exit_code(sys.argv[1:]); "
        "print([name for name in ('numpy', 'pandas', 'pyarrow') if name in sys.modules], file=sys.stderr)"
    )
    named = ["--storage", str(tmp_path)] if command == "list" else [folder.uri]
    done = subprocess.run(
        [sys.executable, "-c", code, command, *named], capture_output=True, text=True, check=True
    )
    assert done.stderr == "[]\n"
    assert "0.5" in done.stdout


def _commands(group: click.Group, prefix: str = "") -> list[tuple[str, click.Command]]:
    found = []
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found += _commands(command, f"{prefix}{name} ")
        else:
            found.append((prefix + name, command))
    return found


@pytest.mark.parametrize(("name", "command"), _commands(cli), ids=lambda value: str(value)[:20])
def test_every_command_and_option_says_what_it_does(name: str, command: click.Command) -> None:
    assert command.help
    silent = [p.name for p in command.params if isinstance(p, click.Option) and not p.help]
    assert silent == []
    assert f"recur {name}" in README.read_text(), "the README's tour names every command"


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (JobError("a.yaml: wrong"), 2, "Error: a.yaml: wrong\n"),
        (ClusterError("s3://b: gone"), 2, "Error: s3://b: gone\n"),
        (WorkFailedError("no trial succeeded"), 1, "Failed: no trial succeeded\n"),
        (Interrupted("It can be resumed."), 130, "Stopped. It can be resumed.\n"),
        (KeyboardInterrupt(), 130, "\nStopped.\n"),
    ],
)
def test_exit_codes(
    error: BaseException,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    @click.command()
    def broken() -> None:
        raise error

    monkeypatch.setitem(cli.commands, "broken", broken)
    assert exit_code(["broken"]) == code
    assert capsys.readouterr().err == said


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["--version"]) == 0
    assert capsys.readouterr().out.startswith("recur, version ")
