"""A run over the nodes of a real Slurm's job: told to leave, cut off, asked to end while it was away."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster.backends import Backend, Handle, backend_for
from cluster.slurmcluster import SlurmCluster
from tests.cluster.slurm import Slurm
from tests.cluster.test_backends import LASTING, Snippet

pytestmark = pytest.mark.slow

DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {LASTING}"
NOTICE = 10

Submit = Callable[[str], Handle]


@pytest.fixture
def backend(slurm: Slurm, monkeypatch: pytest.MonkeyPatch) -> Backend:
    assert slurm.conf.exists()
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return backend_for(SlurmCluster(backend="slurm", cpus=1, notice=NOTICE))


@pytest.fixture
def submit(backend: Backend, tmp_path: Path) -> Iterator[Submit]:
    handles = []

    def submit(code: str) -> Handle:
        handles.append(backend.submit(backend.plan(Snippet("run", "", str(tmp_path), code=code))))
        return handles[-1]

    yield submit
    for handle in handles:
        backend.stop(handle)


def test_one_that_does_not_leave_is_killed_within_the_notice_and_queued_again(
    backend: Backend, submit: Submit, slurm: Slurm
) -> None:
    """As when its storage is away, so that it cannot save."""
    handle = submit(DEAF)
    wait_for(lambda: "up\n" in backend.logs(handle))
    slurm("scancel", "--batch", "--signal=TERM", handle.id)
    told = time.monotonic()
    wait_for(lambda: backend.status(handle).state != "running")
    assert backend.status(handle).state == "pending", backend.logs(handle)
    assert time.monotonic() - told < NOTICE + 10  # Slurm's own part


def test_a_token_that_a_killed_run_left_is_taken_away_by_the_next(
    backend: Backend, submit: Submit, tmp_path: Path
) -> None:
    left = tmp_path / ".submissions" / "run" / ".token-1-00000000"
    left.parent.mkdir(parents=True)
    left.touch()
    handle = submit(LASTING)
    wait_for(lambda: "up\n" in backend.logs(handle))
    (now,) = Path(handle.target).glob(".token-*")
    assert now != left


def test_one_that_was_asked_to_end_does_not_run_on_when_it_is_queued_again(
    backend: Backend, submit: Submit, slurm: Slurm
) -> None:
    """The request came, and Slurm cut the run off before it could hear."""
    handle = submit(LASTING)
    wait_for(lambda: "up\n" in backend.logs(handle))
    (Path(handle.target) / "stop").touch()
    slurm("scontrol", "requeue", handle.id)
    begin_again(slurm, handle)
    wait_for(lambda: backend.status(handle).ended)
    assert backend.status(handle).state == "stopped"
    assert backend.logs(handle).count("up\n") == 1


def begin_again(slurm: Slurm, handle: Handle) -> None:
    """Slurm lets a job that was queued again wait for some minutes; not for a test."""

    def waits() -> bool:
        return slurm("squeue", "--noheader", f"--jobs={handle.id}", "--format=%T").strip() == "PENDING"

    wait_for(waits)
    slurm("scontrol", "update", f"JobId={handle.id}", "StartTime=now+3")


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)
