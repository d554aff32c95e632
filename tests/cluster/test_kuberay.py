"""The manifest of a sweep on Kubernetes, and what is made of kubectl's answers."""

from __future__ import annotations

import copy
import functools
import gzip
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from cluster.backends import Handle, Submission, backend_for
from cluster.backends.rayjob import object_name
from cluster.clusterfile import Cluster, parse_cluster
from cluster.errors import ClusterError
from cluster.farewell import _works, drivers

GOLDEN = Path(__file__).with_name("golden")
CRDS = Path(__file__).with_name("crds")
SMALL = {"backend": "kuberay", "image": "registry/recur:0.1", "ray_version": "2.60.0"}
LARGE = SMALL | {
    "namespace": "tuning",
    "workers": {
        "replicas": 2,
        "min_replicas": 1,
        "max_replicas": 8,
        "cpus": 8,
        "memory": "32Gi",
        "gpus": 1,
    },
    "tolerations": [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}],
    "node_selector": {"pool": "gpus"},
    "volumes": [{"mount": "/mnt/sweeps", "claim": "sweeps"}, {"mount": "/mnt/data", "nfs": "files:/data"}],
    "service_account": "recur",
    "pull_secrets": ["registry"],
    "labels": {"team": "forecasting"},
    "env": {"TZ": "UTC"},
    "secrets": {"AWS_SECRET_ACCESS_KEY": {"secret": "bucket", "key": "secret-key"}},
    "time_limit": 86400,
    "shared_memory": "4Gi",
}
CASES = {"small": (SMALL, "s3://bucket/sweeps"), "large": (LARGE, "/mnt/sweeps/ours")}


def cluster(raw: dict[str, Any]) -> Cluster:
    return parse_cluster(raw, source="cluster.yaml")


def rendered(case: str) -> str:
    raw, storage = CASES[case]
    sweep = Submission("etth1-24h", "name: etth1-24h\n", storage, modules={"nets/own.py": "x = 1\n"})
    return backend_for(cluster(raw)).plan(sweep).document


@pytest.mark.parametrize("case", CASES)
def test_the_manifest_is_as_it_was(case: str) -> None:
    golden = GOLDEN / f"rayjob-{case}.yaml"
    if os.environ.get("WRITE_GOLDEN"):
        golden.write_text(rendered(case))
    assert rendered(case) == golden.read_text()


def strict(schema: Any) -> Any:
    """The schema with unknown fields refused, where it names its fields."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: strict(value) for key, value in schema.items()}
    named = "properties" in found and isinstance(found["properties"], dict)
    if (
        named
        and "additionalProperties" not in found
        and not found.get("x-kubernetes-preserve-unknown-fields")
    ):
        found["additionalProperties"] = False
    if found.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    return found


@functools.cache
def crd(kind: str) -> Any:
    """The schema of the operator's objects of a kind."""
    packed = (CRDS / f"ray.io_{kind}.yaml.gz").read_bytes()
    raw = yaml.load(gzip.decompress(packed), Loader=yaml.CSafeLoader)
    (current,) = [each for each in raw["spec"]["versions"] if each["name"] == "v1"]
    found = strict(current["schema"]["openAPIV3Schema"])
    found["properties"]["metadata"] = {"type": "object"}
    return found


@pytest.mark.parametrize("case", CASES)
def test_the_manifest_is_one_that_the_operator_takes(case: str) -> None:
    config, job = yaml.safe_load_all(rendered(case))
    jsonschema.validate(job, crd("rayjobs"))
    assert (config["apiVersion"], config["kind"]) == ("v1", "ConfigMap")
    keys = [key for key in config["data"] if all(letter.isalnum() or letter in "-._" for letter in key)]
    assert keys == list(config["data"])


BREAK: dict[str, Callable[[Any], Any]] = {
    "unknown field": lambda job: job["spec"].update(entryPoint="x"),
    "unknown field deep down": lambda job: pod(job)["containers"][0].update(imgae="x"),
    "wrong type": lambda job: job["spec"].update(backoffLimit="3"),
    "wrong mode": lambda job: job["spec"]["rayClusterSpec"]["authOptions"].update(mode="tokens"),
    "missing template": lambda job: job["spec"]["rayClusterSpec"]["headGroupSpec"].pop("template"),
}


def pod(job: Any) -> Any:
    return job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]


@pytest.mark.parametrize("wrong", BREAK)
def test_one_that_the_operator_would_not_take_is_found(wrong: str) -> None:
    _, job = yaml.safe_load_all(rendered("large"))
    broken = copy.deepcopy(job)
    BREAK[wrong](broken)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, crd("rayjobs"))


def test_no_secret_and_no_token_stands_in_a_manifest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2hunter2")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "f" * 64)
    text = rendered("large")
    assert "hunter2" not in text
    assert "f" * 64 not in text
    assert "secretKeyRef" in text


@pytest.mark.parametrize(
    ("sweep", "name"),
    [
        ("etth1-24h", "recur-etth1-24h"),
        ("Etth1_24h", "recur-etth1-24h-5d"),
        ("a..b", "recur-a-b-"),
        ("x" * 128, "recur-" + "x" * 25 + "-"),
    ],
)
def test_a_name_is_one_that_kubernetes_takes_and_nobody_elses(sweep: str, name: str) -> None:
    found = object_name(sweep)
    assert found.startswith(name[:16])
    assert len(found) <= 40
    assert found == found.lower().strip("-")
    assert found != object_name(sweep + "2")
    assert object_name(sweep.upper()) != object_name(sweep.lower())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"image": "a b"}, "image: 'a b' is no image such as registry/recur:0.1"),
        ({"namespace": "Up"}, "namespace: 'Up' is no namespace such as tuning"),
        ({"workers": {"memory": "lots"}}, "workers.memory: 'lots' is no amount of memory such as 8Gi"),
        (
            {"workers": {"replicas": 3, "max_replicas": 2}},
            "workers: replicas (3) is not between min_replicas (3) and max_replicas (2)",
        ),
        ({"workers": {"gpu": 1}}, "workers.gpu: unknown key; did you mean gpus?"),
        ({"volumes": [{"mount": "/x"}]}, "volumes.0: is one of claim, secret, config_map and nfs"),
        ({"volumes": [{"mont": "/x"}]}, "volumes.0.mount: field required"),
        (
            {"volumes": [{"mount": "/a/../b", "claim": "c"}]},
            "volumes.0: '/a/../b' is no absolute path to mount it at",
        ),
        ({"labels": {"a b": "c"}}, "labels: 'a b' is no label's key such as team"),
        (
            {"labels": {"recur.dev/sweep": "other"}},
            "labels: recur.dev/sweep is Recur's own, by which it knows its objects; leave it out",
        ),
        (
            {"tolerations": [{"operator": "Equal"}]},
            "tolerations.0: operator: Equal wants a value, and Exists none",
        ),
        (
            {"secrets": {"KEY": {"env": "KEY"}}},
            "secrets.KEY: the pods do not have this machine's environment; give secret and key",
        ),
    ],
)
def test_a_bad_file_is_one_sentence(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ClusterError) as caught:
        cluster(SMALL | change)
    assert str(caught.value) == f"cluster.yaml: {said}"


def test_storage_that_would_go_with_the_pods_is_refused() -> None:
    backend = backend_for(cluster(LARGE))
    for storage in ("/mnt/sweeps2", "/srv/x", "/mnt"):
        with pytest.raises(
            ClusterError, match=r"^storage .* is in no volume of the pods and would go with them"
        ):
            backend.plan(Submission("sweep", "", storage))


def test_data_that_no_pod_would_see_is_refused() -> None:
    backend = backend_for(
        cluster(LARGE | {"volumes": [{"mount": "/mnt/data", "nfs": "files:/data", "read_only": True}]})
    )
    for data in ("/mnt/data2/x", "/srv/x/*.parquet"):
        with pytest.raises(
            ClusterError, match=rf"^data.path: {re.escape(data)} is in no volume of the pods; mount"
        ):
            backend.plan(Submission("sweep", "", "s3://bucket", data=data))
    for data in ("/mnt/data", "/mnt/data/x/*.parquet", "s3://bucket/data"):
        assert backend.plan(Submission("sweep", "", "s3://bucket", data=data)).notes == ()


def test_what_no_config_map_holds_is_refused() -> None:
    backend = backend_for(cluster(SMALL))
    with pytest.raises(ClusterError, match=r"more than 900 kB, which no ConfigMap holds"):
        backend.plan(Submission("sweep", "x" * 10**6, "s3://bucket"))


def test_without_kubectl_it_is_said_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    backend = backend_for(cluster(SMALL))
    with pytest.raises(ClusterError, match=r"^kubectl is not on the PATH; save what recur submit --dry-run"):
        backend.submit(backend.plan(Submission("sweep", "", "s3://bucket")))


def test_what_kubectl_refuses_is_told(kube: Path) -> None:
    assert kube.exists()
    backend = backend_for(cluster(SMALL | {"context": "elsewhere"}))
    handle = Handle("kuberay", "sweep", "s3://bucket", "elsewhere/default/recur-sweep", "recur-sweep")
    for ask in (backend.status, backend.logs, backend.stop):
        with pytest.raises(ClusterError, match=r'^kubectl: context "elsewhere" does not exist$'):
            ask(handle)


def test_one_that_is_gone_has_failed_and_prints_nothing(kube: Path) -> None:
    assert kube.exists()
    backend = backend_for(cluster(SMALL))
    handle = Handle("kuberay", "sweep", "s3://bucket", "default/recur-sweep", "recur-sweep")
    assert backend.status(handle).state == "failed"
    assert backend.logs(handle) == ""
    backend.stop(handle)


def farewell(*sweep: str, seconds: int = 20) -> int:
    """What a pod calls before it ends."""
    command = [sys.executable, "-m", "runner.cli", "farewell", *sweep, "--seconds", str(seconds)]
    return subprocess.run(command, check=False).returncode


def test_a_workers_pod_ends_when_what_trains_there_has_left() -> None:
    """By the title that Ray gives an actor's process; one that waits for work has another."""
    busy = ["/bin/sh", "-c", "exec -a ray::LegRunner.step sleep 3"]
    idle = ["/bin/sh", "-c", "exec -a ray::IDLE sleep 60"]
    with (
        subprocess.Popen(["/bin/bash", *busy[1:]]) as training,
        subprocess.Popen(["/bin/bash", *idle[1:]]) as waiting,
    ):
        try:
            time.sleep(0.5)
            assert farewell() == 0
            assert training.poll() == 0
            assert waiting.poll() is None
            assert not _works("ray::IDLE_SpillWorker")
        finally:
            training.kill()
            waiting.kill()


@pytest.mark.parametrize("words", ["run job.yaml --name NAME", "schedule run NAME --scheduled"])
def test_a_pod_that_ends_has_the_sweep_save_first(words: str) -> None:
    """The driver of that sweep, and of no other."""
    code = (
        "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        "print(1, flush=True); signal.pause()"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code, *words.split()], stdout=subprocess.PIPE)
        for words in (words.replace("NAME", "mine"), words.replace("NAME", "others"))
    ]
    try:
        for process in started:
            assert process.stdout is not None
            process.stdout.readline()
        assert [process.pid for process in drivers("mine")] == [started[0].pid]
        begun = time.monotonic()
        assert farewell("mine") == 0
        assert started[0].wait(1) == 7
        assert time.monotonic() - begun < 10
        assert started[1].poll() is None
    finally:
        for process in started:
            process.kill()
            process.communicate()
