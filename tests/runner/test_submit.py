from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.head import Head
from tests.runner.command import JobWriter, Recur


def wait_until_done(recur: Recur, storage: Path) -> dict[str, Any]:
    """The status of the submitted sweep once it runs no more."""
    sweep = storage / "small"
    for _ in range(120):
        if (sweep / "spec.yaml").exists():
            status = dict(recur.json("status", sweep))
            if status["state"] not in {"running", "interrupted"} or status["trials"]["done"] == 2:
                return status
        time.sleep(1)
    raise AssertionError("the submitted sweep did not end within two minutes")


def test_a_detached_process_runs_the_sweep(recur: Recur, write_job: JobWriter) -> None:
    job = write_job(recur.folder, trials=2, scheduler="none", epochs=1)
    shown = recur("submit", job, "--dry-run").stdout
    assert f"--name small --storage {recur.storage}" in shown
    assert not recur.storage.exists()
    said = recur("submit", job).stdout
    assert "Next:\n  recur status small\n  recur best small\n  recur stop small\n  tail -f " in said
    assert wait_until_done(recur, recur.storage)["trials"]["done"] == 2


def test_ray_jobs_runs_the_sweep(
    recur: Recur, write_job: JobWriter, head: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN_OF_THE_HEAD", head.token)
    storage = recur.folder / "shared"
    cluster = recur.folder / "cluster.yaml"
    cluster.write_text(
        f"backend: ray_jobs\naddress: {head.dashboard}\nstorage: {storage}\ntoken_env: TOKEN_OF_THE_HEAD\n"
    )
    job = write_job(recur.folder, trials=2, scheduler="none", epochs=1)
    shown = recur("submit", job, "--cluster", cluster, "--dry-run").stdout
    assert "recur run" in shown
    assert head.token not in shown
    said = recur("submit", job, "--cluster", cluster).stdout
    assert "small submitted to ray_jobs" in said
    assert wait_until_done(recur, storage)["trials"]["done"] == 2


def test_a_bad_job_is_refused_before_it_is_submitted(recur: Recur, write_job: JobWriter) -> None:
    job = write_job(recur.folder)
    refused = recur("submit", job, "--set", "data.target=load", code=2)
    assert "no column 'load'; it has time, target, driver" in refused.stderr
    assert not recur.storage.exists()


def test_a_bad_cluster_file_is_refused(recur: Recur, write_job: JobWriter) -> None:
    cluster = recur.folder / "cluster.yaml"
    cluster.write_text("backend: ray_jobs\nadress: http://127.0.0.1:1\n")
    refused = recur("submit", write_job(recur.folder), "--cluster", cluster, code=2)
    assert refused.stderr == f"Error: {cluster}: adress: unknown key; did you mean address?\n"
