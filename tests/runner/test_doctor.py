"""The doctor's command: here, and by way of a Ray cluster's Jobs API and of Kubernetes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.cluster.head import Head
from tests.runner.command import JobWriter, Recur
from tests.runner.scripts import write

pytestmark = pytest.mark.slow

FUNCTION = "from helpers import width\n\n\ndef build(hp):\n    return width\n"


def test_the_table_says_how_each_check_came_out(recur: Recur, write_job: JobWriter) -> None:
    said = recur("doctor", write_job(recur.folder), "--storage", recur.storage).stdout
    head, row = said.splitlines()[:2]
    assert head.split()[-4:] == ["storage", "data", "ports", "token"]
    assert row.split()[-5:] == ["ok", "ok", "(2)", "-", "-"]


def test_a_cluster_is_looked_at_without_a_job_and_keeps_nothing_of_it(
    recur: Recur, head: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray.job_submission import JobSubmissionClient

    monkeypatch.setenv("RAY_AUTH_TOKEN", head.token)
    cluster = recur.folder / "cluster.yaml"
    cluster.write_text(f"backend: ray_jobs\naddress: {head.dashboard}\nstorage: {recur.storage}\n")
    said = recur.json("doctor", "--cluster", cluster)
    assert (said["healthy"], said["problems"], len(said["nodes"])) == (True, [], 1)
    client = JobSubmissionClient(head.dashboard, headers={"Authorization": f"Bearer {head.token}"})
    # Of its driver Ray itself keeps a line, without what was submitted.
    asked = [job for job in client.list_jobs() if (job.submission_id or "").startswith("doctor-")]
    assert [job.metadata for job in asked] == [None] * len(asked)


def test_on_kubernetes_nothing_stays_of_a_look_at_it(
    recur: Recur, kube: Path, head: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the pods would run runs here, beside a real head."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    monkeypatch.setenv("PATH", programs)
    monkeypatch.setenv("RAY_AUTH_TOKEN", head.token)
    monkeypatch.setenv("RAY_ADDRESS", head.address)
    cluster = recur.folder / "cluster.yaml"
    cluster.write_text(
        f"backend: kuberay\nimage: recur\nworkers: {{replicas: 0}}\nstorage: {recur.storage}\n"
        f"volumes: [{{mount: {recur.folder}, claim: here}}]\n"
    )
    said = recur.json("doctor", "--cluster", cluster)
    assert (said["healthy"], said["problems"], len(said["nodes"])) == (True, [], 1)
    assert [path.name for path in kube.rglob("*") if "doctor" in path.name] == []


def test_code_is_named_by_its_files_and_missed_where_it_is_nowhere(recur: Recur, panel_folder: Path) -> None:
    (recur.folder / "helpers.py").write_text("width = 3\n")
    job = write(recur.folder, panel_folder, FUNCTION, build="nets:build", scheduler="none", epochs=1)
    files = f"{recur.folder}/helpers.py, {recur.folder}/nets.py"
    assert recur.json("doctor", job)["code"] == f"nets:build ({files})"
    job.write_text(job.read_text().replace("nets:build", "json.decoder:JSONDecoder"))
    assert recur.json("doctor", job)["code"].endswith("json/decoder.py)")
    job.write_text(job.read_text().replace("json.decoder:JSONDecoder", "not_there:build"))
    refused = recur("doctor", job, code=1).stdout
    assert f"✗ model.build: not_there:build is neither in {recur.folder} nor installed" in refused
