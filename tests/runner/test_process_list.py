"""No process that Recur starts shows a token or a secret to whoever lists processes, on any backend."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cluster.head import Head
from tests.cluster.slurm import Slurm
from tests.runner.command import JobWriter, Recur

pytestmark = pytest.mark.slow

WORD = "hunter2-of-the-process-list"


@dataclass
class Seen:
    """What the lists of processes showed, and the tokens that were made meanwhile."""

    commands: set[str] = field(default_factory=set)
    tokens: set[str] = field(default_factory=set)

    def look(self, folder: Path) -> None:
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdecimal():
                    words = (entry / "cmdline").read_bytes().decode(errors="replace")
                    self.commands.add(words.replace("\0", " "))
        with suppress(OSError):
            self.tokens |= {path.read_text() for path in folder.glob(".submissions/*/.token-*")}


@contextmanager
def watching(folder: Path) -> Iterator[Seen]:
    """Looks many times a second for as long as the block."""
    seen, over = Seen(), threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            seen.look(folder)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


@pytest.fixture(params=["local", "ray_jobs", "slurm"])
def cluster(request: pytest.FixtureRequest, recur: Recur, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cluster file of each backend, with a secret and, where the cluster has one already, its token."""
    recur.storage.mkdir()
    (recur.folder / "secret").write_text(WORD)
    extra = ""
    if request.param == "ray_jobs":
        head: Head = request.getfixturevalue("head")
        monkeypatch.setenv("TOKEN_OF_THE_HEAD", head.token)
        extra = f"address: {head.dashboard}\ntoken_env: TOKEN_OF_THE_HEAD\n"
    elif request.param == "slurm":
        slurm: Slurm = request.getfixturevalue("slurm")
        assert slurm.conf.exists()
        extra = "nodes: 2\ncpus: 1\n"
    else:
        monkeypatch.setenv("RAY_AUTH_TOKEN", "token-of-the-process-list")
    path = recur.folder / "cluster.yaml"
    path.write_text(
        f"backend: {request.param}\nstorage: {recur.storage}\n{extra}"
        f"secrets: {{MINE: {{file: {recur.folder}/secret}}}}\n"
    )
    return path


def test_no_process_shows_a_token_or_a_secret(
    recur: Recur, write_job: JobWriter, cluster: Path, request: pytest.FixtureRequest
) -> None:
    job = write_job(recur.folder, trials=1, scheduler="none", epochs=1)
    with watching(recur.storage) as seen:
        recur("submit", job, "--cluster", cluster)
        said = recur("logs", "small", "--follow").stdout
    assert "small: done" in said
    assert any(" run " in command and "--name small" in command for command in seen.commands)
    tokens = seen.tokens | {"token-of-the-process-list"}
    if "head" in request.fixturenames:
        tokens.add(request.getfixturevalue("head").token)
    assert "slurm" not in cluster.read_text() or seen.tokens
    shown = [command for command in seen.commands if any(secret in command for secret in {WORD, *tokens})]
    assert shown == []
