"""What is known of submissions, here and from other machines, with real detached processes."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from pathlib import Path

import pytest

from cluster.backends import Handle, Plan, Submission, backend_for
from cluster.backends.places import state_folder, write_files
from cluster.clusters import LocalCluster
from cluster.errors import ClusterError
from cluster.kubecluster import KubeRayCluster, Volume
from cluster.submissions import Submitted, find_submitted, forget, submit, submitted_names

CLUSTER = LocalCluster(backend="local")


def plan(storage: Path, line: str = "print('here')") -> Plan:
    return Plan(
        backend="local",
        name="sweep",
        storage=str(storage),
        target=str(storage / ".submissions" / "sweep"),
        command=(sys.executable, "-c", line),
        files={"job.yaml": "name: sweep", "nets/mine.py": "x = 1"},
        env={},
    )


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """To be told to forget what this user's own records say: another machine that sees the storage."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return monkeypatch


def test_a_submission_is_found_asked_and_stopped_by_its_name(tmp_path: Path) -> None:
    submit(plan(tmp_path, "import time; print('up', flush=True); time.sleep(60)"), CLUSTER)
    found = find_submitted(str(tmp_path), "sweep")
    assert found is not None
    assert found.cluster == CLUSTER
    assert found.files == plan(tmp_path).files
    assert abs(found.time - time.time()) < 60
    while "up" not in found.log():
        time.sleep(0.02)
    status = found.status()
    assert status is not None
    assert status.state == "running"
    found.stop()
    status = found.status()
    assert status is not None
    assert status.state == "stopped"
    assert submitted_names(str(tmp_path)) == ["sweep"]


def test_another_machine_knows_of_it_and_believes_no_cluster_from_storage(
    tmp_path: Path, elsewhere: pytest.MonkeyPatch
) -> None:
    storage = tmp_path / "sweeps"
    sent = submit(plan(storage), CLUSTER)
    elsewhere.setenv("XDG_STATE_HOME", str(tmp_path / "other"))
    record = storage / ".submissions" / "sweep" / "submission.json"
    forged = json.loads(record.read_text()) | {"cluster": {"backend": "slurm", "setup": ["touch /tmp/owned"]}}
    record.write_text(json.dumps(forged))
    found = find_submitted(str(storage), "sweep")
    assert found is not None
    assert (found.handle, found.by, found.cluster) == (sent.handle, sent.by, None)
    assert found.status() is None
    with pytest.raises(
        ClusterError, match=r"^sweep was submitted to local as .*; to stop it from here, give"
    ):
        found.stop()
    given = find_submitted(str(storage), "sweep", CLUSTER)
    assert given is not None
    assert given.cluster == CLUSTER


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"handle": {}}', '{"handle": 3, "by": "me", "time": 1}', "\x00", '{"time": 1e999}'],
)
def test_a_damaged_record_is_one_sentence(tmp_path: Path, text: str) -> None:
    record = tmp_path / ".submissions" / "sweep" / "submission.json"
    record.parent.mkdir(parents=True)
    record.write_text(text)
    with pytest.raises(
        ClusterError, match=r"submission.json(: not valid JSON| is no record of a submission)"
    ):
        find_submitted(str(tmp_path), "sweep")


def test_a_record_that_would_write_to_the_terminal_is_refused(tmp_path: Path) -> None:
    submit(plan(tmp_path), CLUSTER)
    record = tmp_path / ".submissions" / "sweep" / "submission.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"by": "me\x1b[2J", "time": time.time()}))
    with pytest.raises(ClusterError, match=r"is no record of a submission"):
        find_submitted(str(tmp_path), "sweep")


def test_forgetting_leaves_nothing(tmp_path: Path) -> None:
    submit(plan(tmp_path), CLUSTER)
    forget(str(tmp_path), "sweep")
    assert find_submitted(str(tmp_path), "sweep") is None
    assert not (tmp_path / ".submissions" / "sweep").exists()
    assert not (state_folder(str(tmp_path)) / "sweep").exists()


def test_a_submission_is_forgotten_by_its_cluster_as_far_as_that_is_known(
    kube: Path, tmp_path: Path, elsewhere: pytest.MonkeyPatch
) -> None:
    volume = Volume(mount=str(tmp_path), claim="here")
    cluster = KubeRayCluster(backend="kuberay", image="recur", volumes=(volume,))
    submit(backend_for(cluster).plan(Submission("sweep", "name: x", str(tmp_path))), cluster)
    elsewhere.setenv("XDG_STATE_HOME", str(tmp_path / "other"))
    unknown = Submitted(Handle("kuberay", "sweep", str(tmp_path), "x", "recur-sweep"), None, "me", 0.0)
    unknown.forget()
    assert (kube / "recur-sweep").exists()
    dataclasses.replace(unknown, cluster=cluster).forget()
    assert list(kube.rglob("recur-sweep")) == []


def test_forgetting_takes_a_slurm_jobs_own_folder_too(tmp_path: Path) -> None:
    """And with it a token that a killed job left."""
    storage, elsewhere = str(tmp_path / "sweeps"), tmp_path / "jobs" / "sweep"
    record = {
        "handle": {
            "backend": "slurm",
            "name": "sweep",
            "storage": storage,
            "target": str(elsewhere),
            "id": "1",
        },
        "by": "me",
        "time": 1.0,
        "cluster": {"backend": "slurm", "folder": str(elsewhere.parent)},
    }
    own = state_folder(storage) / "sweep" / "record.json"
    for path, text in ((own, json.dumps(record)), (elsewhere / ".token-1-a", "secret")):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    forget(storage, "sweep")
    assert not elsewhere.exists()
    assert not own.parent.exists()


def test_the_users_own_records_are_the_users_alone(tmp_path: Path) -> None:
    submit(plan(tmp_path), CLUSTER)
    assert (state_folder(str(tmp_path)) / "sweep").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("path", ["/etc/passwd", "../up", "a/../../b", ""])
def test_a_file_that_would_leave_its_folder_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(ClusterError, match=r"leads out of the folder that is submitted"):
        write_files(tmp_path / "in", {path: "x"})
    assert not (tmp_path / "up").exists()
