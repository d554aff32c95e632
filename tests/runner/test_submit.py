from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.head import Head
from tests.runner.command import JobWriter, Recur
from tests.runner.scripts import write

FUNCTION = """
import os
import keras
from helpers import width

print("using", os.environ["MINE"])


def build(hp):
    model = keras.Sequential([keras.layers.SimpleRNN(hp.Int("units", 2, width)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    return model
"""


def wait_until_done(recur: Recur, storage: Path) -> dict[str, Any]:
    """The status of the submitted sweep once it runs no more."""
    sweep = storage / "small"
    for _ in range(120):
        if (sweep / "spec.yaml").exists():
            status = dict(recur.json("status", sweep))
            if status["state"] not in {"running", "interrupted"} or status["trials"]["done"] == 1:
                return status
        time.sleep(1)
    raise AssertionError("the submitted sweep did not end within two minutes")


def test_a_detached_process_runs_the_sweep(recur: Recur, write_job: JobWriter) -> None:
    job = write_job(recur.folder, trials=1, scheduler="none", epochs=1)
    shown = recur("submit", job, "--dry-run").stdout
    assert f"--name small --storage {recur.storage}" in shown
    assert not recur.storage.exists()
    said = recur("submit", job).stdout
    assert "Next:\n  recur status small\n  recur logs small --follow\n  recur best small\n" in said
    followed = recur("logs", "small", "--follow").stdout
    assert "small: done" in followed
    assert recur.json("logs", "small")["log"] == followed
    status = wait_until_done(recur, recur.storage)
    assert status["trials"]["done"] == 1
    assert status["submitted"]["backend"] == "local"
    assert "Error: sweep small is finished already" in recur("submit", job, code=2).stderr
    assert "Error: sweep small is finished; recur extend" in recur("resume", "small", code=2).stderr
    for backend in ("ray_jobs", "kuberay\nimage: x", "slurm"):  # before any cluster is asked
        cluster = recur.folder / "cluster.yaml"
        cluster.write_text(f"backend: {backend}\nstorage: {recur.storage}\n")
        refused = recur("submit", job, "--cluster", cluster, code=2).stderr
        assert "Error: sweep small is finished already" in refused
    assert "has no log of a trial '9'" in recur("logs", "small", "--trial", "9", code=2).stderr


def test_ray_jobs_runs_the_sweep(
    recur: Recur, write_job: JobWriter, head: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN_OF_THE_HEAD", head.token)
    storage = recur.folder / "shared"
    cluster = recur.folder / "cluster.yaml"
    cluster.write_text(
        f"backend: ray_jobs\naddress: {head.dashboard}\nstorage: {storage}\ntoken_env: TOKEN_OF_THE_HEAD\n"
    )
    job = write_job(recur.folder, trials=1, scheduler="none", epochs=1)
    shown = recur("submit", job, "--cluster", cluster, "--dry-run").stdout
    assert "recur run" in shown
    assert head.token not in shown
    said = recur("submit", job, "--cluster", cluster).stdout
    assert "small submitted to ray_jobs" in said
    assert wait_until_done(recur, storage)["trials"]["done"] == 1
    log = recur("logs", storage / "small", "--follow").stdout
    assert "small: done" in log
    cluster.write_text(cluster.read_text().replace(head.dashboard, "http://127.0.0.1:9"))
    kept = recur("logs", storage / "small", "--cluster", cluster, "--follow").stdout
    assert log.splitlines()[-1] in kept
    assert "small: done" in kept


def test_a_function_goes_to_the_cluster_with_all_that_it_imports(
    recur: Recur, panel_folder: Path, head: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files are taken away before it runs; a secret travels as the name of a variable."""
    monkeypatch.setenv("RAY_AUTH_TOKEN", head.token)
    (recur.folder / "helpers.py").write_text("import os\n\nwidth = 6 if os.environ['MINE'] else 0\n")
    job = write(
        recur.folder, panel_folder, FUNCTION, build="nets:build", scheduler="none, trials: 1", epochs=1
    )
    (recur.folder / "secret").write_text("hunter2hunter2")
    cluster = recur.folder / "cluster.yaml"
    cluster.write_text(
        f"backend: ray_jobs\naddress: {head.dashboard}\nstorage: {recur.storage}\n"
        f"secrets: {{MINE: {{file: {recur.folder}/secret}}}}\n"
    )
    recur.storage.mkdir()
    shown = recur.json("submit", job, "--cluster", cluster, "--dry-run")
    assert shown["files"] == ["helpers.py", "job.yaml", "nets.py"]
    recur("submit", job, "--cluster", cluster)
    for module in recur.folder.glob("*.py"):
        module.unlink()
    said = recur("logs", "built", "--follow").stdout
    assert "built: done" in said
    assert "hunter2" not in said
    log = next((recur.storage / "built" / "logs").glob("*.log")).stem
    assert "using ***" in recur("logs", "built", "--trial", log).stdout
    found = [path for path in recur.storage.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]
    assert found == []


def test_of_what_another_machine_submitted_storage_tells(recur: Recur, write_job: JobWriter) -> None:
    job = write_job(recur.folder, trials=1, scheduler="none", epochs=1)
    recur("submit", job)
    recur("logs", "small", "--follow")
    with pytest.MonkeyPatch.context() as elsewhere:
        elsewhere.setenv("XDG_STATE_HOME", str(recur.folder / "other"))
        assert recur.json("status", "small")["state"] == "done"
        told = recur("logs", "small", "--follow").stdout
        (recur.storage / ".submissions" / "small" / "driver.log").unlink()
        refused = recur("logs", "small", code=2).stderr
    assert "small: done" in told
    assert refused.startswith("Error: small was submitted to local as ")
    assert "to show its log from here, give its cluster file with --cluster" in refused


def test_a_bad_job_is_refused_before_it_is_submitted(recur: Recur, write_job: JobWriter) -> None:
    job = write_job(recur.folder)
    refused = recur("submit", job, "--set", "data.target=load", code=2)
    assert "no column 'load'; it has time, target, driver" in refused.stderr
    assert not recur.storage.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for a host's name of its own")
def test_a_detached_sweep_is_followed_from_another_machine_to_its_end(
    recur: Recur, write_job: JobWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that sees the storage, and neither the process nor the submitter's records."""
    recur("submit", write_job(recur.folder, trials=1, scheduler="none", epochs=1))
    (recur.folder / "local.yaml").write_text("backend: local\n")
    monkeypatch.setenv("XDG_STATE_HOME", str(recur.folder / "other"))
    command = [sys.executable, "-m", "runner.cli", "logs", "small", "--follow", "--cluster", "local.yaml"]
    done = subprocess.run(
        [
            shutil.which("unshare") or "unshare",
            "--uts",
            "sh",
            "-c",
            'hostname elsewhere && exec "$@"',
            "sh",
            *command,
        ],
        cwd=recur.folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "small: done" in done.stdout
    assert recur.json("status", "small")["state"] == "done"


def test_cards_that_no_trial_uses_are_noted(recur: Recur, write_job: JobWriter) -> None:
    cluster = recur.folder / "cluster.yaml"
    job = write_job(recur.folder)
    asked = "asks for 2 GPUs a node and resources.gpu is 0, so that no trial uses one"
    volumes = [{"mount": str(place), "claim": "here"} for place in (recur.folder, write_job.panel)]
    pods = f"workers: {{gpus: 2}}\nvolumes: {volumes}\n"
    for text in ("backend: slurm\ngpus: 2\n", f"backend: kuberay\nimage: recur\n{pods}"):
        cluster.write_text(f"{text}storage: {recur.storage}\n")
        assert asked in recur("submit", job, "--cluster", cluster, "--dry-run").stderr
        used = ("--set", "resources.gpu=1")
        assert "Note" not in recur("submit", job, "--cluster", cluster, "--dry-run", *used).stderr


def test_a_bad_cluster_file_is_refused(recur: Recur, write_job: JobWriter) -> None:
    cluster = recur.folder / "cluster.yaml"
    cluster.write_text("backend: ray_jobs\nadress: http://127.0.0.1:1\n")
    refused = recur("submit", write_job(recur.folder), "--cluster", cluster, code=2)
    assert refused.stderr == f"Error: {cluster}: adress: unknown key; did you mean address?\n"


@pytest.mark.parametrize("backend", ["kuberay\nimage: recur", "ray_jobs", "slurm", "local"])
def test_a_dry_run_asks_no_bucket_for_anything(recur: Recur, write_job: JobWriter, backend: str) -> None:
    """Nor its region, which Arrow would ask the network for: there is no such bucket."""
    cluster = recur.folder / "cluster.yaml"
    bucket = "s3://no.bucket.of.recurs.own.tests/sweeps"
    cluster.write_text(f"backend: {backend}\nstorage: {bucket}\n")
    shown = recur("submit", elsewhere(write_job(recur.folder), backend), "--cluster", cluster, "--dry-run")
    assert f"--storage {bucket}" in shown.stdout
    cluster.write_text(f"backend: {backend}\nstorage: {bucket}?regoin=x\n")
    refused = recur(
        "submit", elsewhere(write_job(recur.folder), backend), "--cluster", cluster, "--dry-run", code=2
    )
    assert "cannot be opened (Unexpected query parameter in S3 URI: 'regoin'); give" in refused.stderr


def elsewhere(job: Path, backend: str) -> Path:
    """The job with data where pods can see them, if it is to go to some."""
    if backend.startswith("kuberay"):
        lines = job.read_text().splitlines()
        job.write_text("\n".join(re.sub(r"path: [^,]+", "path: s3://data/panel", line) for line in lines))
    return job
