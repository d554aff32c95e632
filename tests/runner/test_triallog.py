"""What a trial prints, with real file descriptors in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cluster.storage import Storage
from tests import s3

CODE = """
import os, sys
from cluster.storage import Storage
from runner.triallog import TrialLogs
logs = TrialLogs()
folder = Storage.open(sys.argv[1]).sweep("small")
for leg in range(2):
    with logs.of(folder, "0001"):
        {said}
sys.stderr.write("after\\n")
"""


def run(storage: Path, said: str, **env: str) -> subprocess.CompletedProcess[str]:
    code = CODE.replace("{said}", said)
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path), **env}
    command = [sys.executable, "-c", code, str(storage)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("secret", ["", "hunter2hunter2"])
def test_all_that_is_printed_is_kept_and_secrets_are_not(tmp_path: Path, secret: str) -> None:
    """By Python, by the system, by children; a secret in the middle of what is written in pieces too."""
    word = "os.environ['RAY_AUTH_TOKEN']"
    said = f"print('a', {word}); os.write(1, b'pie'); os.write(2, b'ces\\n'); os.system('echo b')"
    done = run(tmp_path, said, RAY_AUTH_TOKEN=secret)
    assert (done.returncode, done.stderr) == (0, "after\n"), done.stderr
    log = (tmp_path / "small" / "logs" / "0001.log").read_text()
    lines = sorted(log.splitlines())
    assert lines == sorted(["a ***" if secret else "a ", "pieces", "b"] * 2)


@pytest.mark.parametrize("secret", ["", "hunter2hunter2"])
def test_a_traceback_ends_in_the_log_and_silence_leaves_no_file(tmp_path: Path, secret: str) -> None:
    failed = run(tmp_path, "raise ValueError(os.environ['RAY_AUTH_TOKEN'] + '!')", RAY_AUTH_TOKEN=secret)
    assert failed.returncode == 1
    log = (tmp_path / "small" / "logs" / "0001.log").read_text()
    assert log.endswith("ValueError: ***!\n" if secret else "ValueError: !\n")
    assert run(tmp_path / "silent", "pass", RAY_AUTH_TOKEN=secret).returncode == 0
    assert not list((tmp_path / "silent").rglob("*.log"))


def test_the_last_words_of_a_crash_are_kept(tmp_path: Path) -> None:
    done = run(tmp_path, "import faulthandler; faulthandler.enable(); os.abort()")
    assert done.returncode == -6
    assert "Fatal Python error: Aborted" in (tmp_path / "small" / "logs" / "0001.log").read_text()


def test_what_a_running_trial_prints_is_soon_on_an_object_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the trial runs on, and whole at its end."""
    for name, word in s3.KEYS.items():
        monkeypatch.setenv(name, word)
    said = "print('first', flush=True); sys.stdin.readline(); print('second')"
    with s3.s3_server() as port:
        storage = s3.uri(port, "sweeps")
        folder = Storage.open(storage).sweep("small")
        command = [sys.executable, "-c", CODE.replace("{said}", said), storage]
        env = os.environ | {"PYTHONPATH": ":".join(sys.path)}
        with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as running:
            deadline = time.monotonic() + 60
            while not folder.exists(folder.log("0001")):
                assert time.monotonic() < deadline
                time.sleep(0.1)
            assert folder.read(folder.log("0001")) == b"first\n"
            assert running.poll() is None
            running.communicate(b"\n\n", timeout=60)
        assert folder.read(folder.log("0001")) == b"first\nsecond\n" * 2


@pytest.mark.parametrize("planted", ["logs/0001.log", "logs"])
def test_a_link_is_not_written_through(tmp_path: Path, planted: str) -> None:
    storage, mine = tmp_path / "sweeps", tmp_path / "mine"
    link = storage / "small" / planted
    link.parent.mkdir(parents=True)
    if planted == "logs":
        mine.mkdir()
    else:
        mine.write_text("mine\n")
    link.symlink_to(mine)
    done = run(storage, "print('a')")
    assert done.returncode == 1
    assert f"{link} is, or lies behind, a link to elsewhere, and nothing is written there" in done.stderr
    assert (list(mine.iterdir()) == []) if mine.is_dir() else (mine.read_text() == "mine\n")
