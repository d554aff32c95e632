"""Sweeps on a real Slurm over two nodes: cut off and queued again, stopped, resumed, by the real command."""

from __future__ import annotations

import re
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.cluster.slurm import Slurm
from tests.runner.command import JobWriter, Recur, journal

pytestmark = pytest.mark.slow

LONG = ("--set", "train.early_stopping=null", "--set", "search.scheduler=none")


@pytest.fixture
def cluster(slurm: Slurm, recur: Recur) -> Path:
    assert slurm.conf.exists()
    path = recur.folder / "cluster.yaml"
    path.write_text(f"backend: slurm\nnodes: 2\ncpus: 1\nnotice: 30\nstorage: {recur.storage}\n")
    return path


def wait_for(recur: Recur, *states: str, seconds: float = 120) -> str:
    deadline = time.monotonic() + seconds
    while (state := recur.json("status", "small")["state"]) not in states:
        assert time.monotonic() < deadline, (state, recur("logs", "small").stdout)
        time.sleep(0.5)
    return str(state)


def results(sweep: Path) -> Counter[tuple[str, int]]:
    events = journal(sweep) if (sweep / "spec.yaml").exists() else []
    return Counter((event["trial"], event["epoch"]) for event in events if event["event"] == "result")


def wait_for_more(sweep: Path, count: int) -> int:
    before, deadline = len(results(sweep)), time.monotonic() + 120
    while len(results(sweep)) < before + count:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return len(results(sweep))


def test_a_job_that_is_pre_empted_three_times_finishes_and_repeats_nothing(
    recur: Recur, write_job: JobWriter, cluster: Path, slurm: Slurm
) -> None:
    job = write_job(recur.folder, trials=4, epochs=200)
    said = recur("submit", job, "--cluster", cluster, *LONG).stdout
    number = re.search(r"as (\d+)", said)
    assert number is not None
    sweep = recur.storage / "small"
    for _ in range(3):
        wait_for(recur, "running")
        wait_for_more(sweep, 20)
        slurm("scancel", "--batch", "--signal=TERM", number[1])
        wait_for(recur, "pending", "interrupted")
        waits_no_more(slurm, number[1])
    assert wait_for(recur, "done", seconds=240) == "done"
    assert set(results(sweep).values()) == {1}
    assert len(results(sweep)) == 4 * 200
    starts = [event for event in journal(sweep) if event["event"] == "start"]
    assert len(starts) == 4
    assert "small: done" in recur("logs", "small", "--follow").stdout  # to the job's own end
    assert not list((recur.storage / ".submissions" / "small").glob(".token*"))


def test_a_job_that_slurm_kills_goes_on_where_it_was(
    recur: Recur, write_job: JobWriter, cluster: Path, slurm: Slurm
) -> None:
    """As when a node has died: Slurm queues it again, and nobody could say goodbye."""
    job = write_job(recur.folder, trials=2, epochs=150)
    said = recur.json("submit", job, "--cluster", cluster, *LONG)
    wait_for(recur, "running")
    wait_for_more(recur.storage / "small", 20)
    slurm("scontrol", "requeue", said["id"])
    waits_no_more(slurm, said["id"])
    assert wait_for(recur, "done", seconds=240) == "done"
    assert set(results(recur.storage / "small").values()) == {1}


def test_a_sweep_that_was_told_to_stop_and_is_queued_again_by_slurm_does_not_run_on(
    recur: Recur, write_job: JobWriter, cluster: Path, slurm: Slurm
) -> None:
    """Its node dies while what runs still comes to its rung; the next run goes on with no more than that."""
    job = write_job(recur.folder, trials=8, epochs=600)  # the first two are not done before it dies
    said = recur.json("submit", job, "--cluster", cluster, *LONG)
    wait_for(recur, "running")
    wait_for_more(recur.storage / "small", 20)
    recur("stop", "small")
    slurm("scontrol", "requeue", said["id"])
    waits_no_more(slurm, said["id"])
    assert wait_for(recur, "stopped", "done", seconds=240) == "stopped"
    assert recur.json("status", "small")["trials"]["done"] <= 3
    assert not (recur.storage / "small" / "stop.json").exists()


def test_one_that_waits_is_seen_taken_back_and_submitted_again(
    recur: Recur, write_job: JobWriter, cluster: Path
) -> None:
    cluster.write_text(cluster.read_text() + "options: [--begin=now+1hour]\n")
    job = write_job(recur.folder, trials=2, epochs=2)
    recur("submit", job, "--cluster", cluster)
    status = recur.json("status", "small")
    assert (status["state"], status["submitted"]["state"]) == ("pending", "pending")
    assert "small  pending" in recur("list").stdout
    assert "waits to be run; stop it first" in recur("remove", "small", "--yes", code=2).stderr
    assert "it is running already as Slurm job" in recur("submit", job, "--cluster", cluster, code=2).stderr
    recur("stop", "small")
    assert recur.json("status", "small")["state"] == "stopped"
    cluster.write_text(cluster.read_text().replace("options: [--begin=now+1hour]\n", ""))
    recur("resume", "small", "--cluster", cluster)
    followed = recur("logs", "small", "--follow").stdout
    assert "small: done" in followed
    assert wait_for(recur, "done") == "done"
    recur("remove", "small", "--yes")
    assert list(recur.storage.rglob("*")) in ([], [recur.storage / ".submissions"])


@pytest.mark.parametrize("with_job", [True, False])
def test_the_doctor_goes_where_a_sweep_would_and_leaves_nothing(
    recur: Recur, write_job: JobWriter, cluster: Path, slurm: Slurm, *, with_job: bool
) -> None:
    recur.storage.mkdir()
    job = [write_job(recur.folder)] if with_job else []
    said = recur.json("doctor", *job, "--cluster", cluster)
    assert (said["healthy"], said["problems"]) == (True, [])
    assert len(said["nodes"]) == 2
    assert [path for path in recur.storage.rglob("*") if path.name != ".submissions"] == []
    assert slurm("squeue", "--noheader", "--states=RUNNING,PENDING") == ""


def test_what_is_wrong_with_a_script_is_said(recur: Recur, write_job: JobWriter, cluster: Path) -> None:
    cluster.write_text(cluster.read_text() + "partition: nowhere\n")
    refused = recur("submit", write_job(recur.folder), "--cluster", cluster, code=2)
    assert "invalid partition" in refused.stderr.lower()


def waits_no_more(slurm: Slurm, number: str) -> None:
    """Slurm lets a job that was queued again wait for some minutes; not for a test."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        state = slurm("squeue", "--noheader", f"--jobs={number}", "--format=%T").strip()
        if state == "PENDING":
            # Not at once: a start in the second of the last one's end is refused ("Job credential revoked").
            slurm("scontrol", "update", f"JobId={number}", "StartTime=now+3")
            return
        time.sleep(0.3)
    raise AssertionError("it was not queued again")
