"""The manifest of a sweep on Kubernetes: its files, and a RayJob with a cluster of its own."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import yaml

from cluster.errors import ClusterError
from cluster.kubecluster import OWNER_LABEL, SWEEP_LABEL, KubeRayCluster, Pods, Volume, Workers
from cluster.node import DETECTION, OBJECT_STORE_BYTES

JOB_FOLDER = "/etc/recur/job"  # in every pod
RUN = "run.sh"  # among a submission's files: the command
_LONGEST = 40  # what KubeRay itself adds to a name has to fit too
_MOST_BYTES = 900_000  # that a ConfigMap takes
_LEAVE_SECONDS = 90  # that the sweep has to save and leave when its pod is to end


def run_script(command: Sequence[str]) -> str:
    """What the head runs: on its way there an entrypoint is read by two shells, quoted for neither.

    The operator pastes it into a line of bash, and Ray's client joins what that makes of it without heed of
    what a shell on the head will do: the ``&`` of a URI would end the command there.
    """
    return f"#!/bin/sh\nexec {shlex.join(command)}\n"


def object_name(sweep: str) -> str:
    """What a sweep's objects are called: its name as Kubernetes takes it, and what tells it from others."""
    plain = re.sub(r"[^a-z0-9-]+", "-", sweep.lower()).strip("-")
    name = f"recur-{plain}"
    if plain == sweep and len(name) <= _LONGEST:
        return name
    return f"{name[: _LONGEST - 9].rstrip('-')}-{hashlib.sha256(sweep.encode()).hexdigest()[:8]}"


def manifest(
    cluster: KubeRayCluster,
    sweep: str,
    files: Mapping[str, str],
    env: Mapping[str, str],
) -> str:
    """The YAML that ``kubectl apply`` takes.

    Args:
        cluster: what to ask for.
        sweep: its name.
        files: what lies in ``JOB_FOLDER``, by path; ``run.sh`` runs the sweep, beside the head.
        env: of every process; what Kubernetes has secret is taken from it there.

    Raises:
        ClusterError: the files are too much for a ConfigMap.
    """
    if sum(len(text.encode()) for text in files.values()) > _MOST_BYTES:
        raise ClusterError(
            f"{sweep}: its job and modules are more than {_MOST_BYTES // 1000} kB, which no ConfigMap holds; "
            "put the modules into the image"
        )
    documents = [_config_map(cluster, sweep, files), _ray_job(cluster, sweep, files, env)]
    return yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


class _Dumper(yaml.SafeDumper):
    """YAML as people write it: text of several lines as a block."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def _metadata(cluster: KubeRayCluster, sweep: str) -> dict[str, Any]:
    labels = {OWNER_LABEL: "recur", **_labels(cluster, sweep)}
    return {"name": object_name(sweep), "namespace": cluster.namespace, "labels": labels}


def _config_map(cluster: KubeRayCluster, sweep: str, files: Mapping[str, str]) -> dict[str, Any]:
    data = {_key(number): text for number, text in enumerate(files.values())}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _metadata(cluster, sweep), "data": data}


def _key(number: int) -> str:
    """A key stands for a path, which may hold what a key may not."""
    return f"file-{number}"


def _ray_job(
    cluster: KubeRayCluster,
    sweep: str,
    files: Mapping[str, str],
    env: Mapping[str, str],
) -> dict[str, Any]:
    limit = {"activeDeadlineSeconds": cluster.time_limit} if cluster.time_limit else {}
    # A submitting pod prints what the driver prints; the driver itself runs beside the head.
    spec: dict[str, Any] = {
        "entrypoint": f"sh {JOB_FOLDER}/{RUN}",
        "submissionMode": "K8sJobMode",
        "backoffLimit": cluster.retries,  # each time a new cluster goes on from storage
        "shutdownAfterJobFinishes": True,
        "ttlSecondsAfterFinished": cluster.keep_seconds,
        **limit,
        "submitterPodTemplate": _submitter(cluster, sweep),
        "rayClusterSpec": _ray_cluster(cluster, sweep, files, env),
    }
    return {"apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": _metadata(cluster, sweep), "spec": spec}


def _submitter(cluster: KubeRayCluster, sweep: str) -> dict[str, Any]:
    """The pod that hands the job to the head: the operator's own, and what a site wants of every pod."""
    container = {
        "name": "ray-job-submitter",
        "image": cluster.image,
        "resources": {
            "requests": {"cpu": "500m", "memory": "200Mi"},
            "limits": {"cpu": "1", "memory": "1Gi"},
        },
    }
    tolerations = {"tolerations": _tolerations(cluster)} if cluster.tolerations else {}
    spec = {"restartPolicy": "Never", "containers": [container], **_identity(cluster), **tolerations}
    return {"metadata": {"labels": _labels(cluster, sweep)}, "spec": spec}


def _ray_cluster(
    cluster: KubeRayCluster, sweep: str, files: Mapping[str, str], env: Mapping[str, str]
) -> dict[str, Any]:
    workers = cluster.workers
    scaled = workers.fewest < workers.most
    alone = workers.most == 0  # then trials run on the head
    head = {
        "serviceType": "ClusterIP",  # the operator asks there, with the token; nothing leads in from outside
        "rayStartParams": _start(cluster.head.cpus if alone else 0),
        "template": _pod(cluster, sweep, "ray-head", cluster.head, files, env),
    }
    group = {
        "groupName": "trials",
        "replicas": workers.replicas,
        "minReplicas": workers.fewest,
        "maxReplicas": workers.most,
        "rayStartParams": _start(workers.cpus),
        "template": _pod(cluster, sweep, "ray-worker", workers, files, env),
    }
    return {
        "rayVersion": cluster.ray_version or version("ray"),
        "authOptions": {"mode": "token"},  # the operator makes the token, and a secret that holds it
        **({"enableInTreeAutoscaling": True} if scaled else {}),
        "headGroupSpec": head,
        **({} if alone else {"workerGroupSpecs": [group]}),
    }


def _start(cpus: int) -> dict[str, str]:
    # By itself Ray takes a third of the memory, which is more than a pod's shared memory has.
    return {"num-cpus": str(cpus), "object-store-memory": str(OBJECT_STORE_BYTES)}


def _labels(cluster: KubeRayCluster, sweep: str) -> dict[str, str]:
    return {SWEEP_LABEL: object_name(sweep), **cluster.labels}


def _identity(cluster: KubeRayCluster) -> dict[str, Any]:
    """Who a pod is, and as whom its image is fetched."""
    account = {"serviceAccountName": cluster.service_account} if cluster.service_account else {}
    secrets = [{"name": name} for name in cluster.pull_secrets]
    return account | ({"imagePullSecrets": secrets} if secrets else {})


def _tolerations(cluster: KubeRayCluster) -> list[dict[str, Any]]:
    return [each.model_dump(exclude_none=True) for each in cluster.tolerations]


def _pod(
    cluster: KubeRayCluster,
    sweep: str,
    kind: str,
    pods: Pods,
    files: Mapping[str, str],
    env: Mapping[str, str],
) -> dict[str, Any]:
    given = {"cpu": str(pods.cpus), "memory": pods.memory}
    if isinstance(pods, Workers) and pods.gpus:
        given[pods.gpu_resource] = str(pods.gpus)
    mounts, volumes = _volumes(cluster, sweep, files)
    container: dict[str, Any] = {
        "name": kind,
        "image": cluster.image,
        "env": _variables(cluster, env),
        "resources": {"requests": dict(given), "limits": dict(given)},
        "volumeMounts": mounts,
    }
    # A pod's end would kill what runs in it at once.  The head's is told first and has the sweep save; those
    # of the workers, which all end with it, wait until what trains there has done so.
    whose = [sweep] if kind == "ray-head" else []
    farewell = [cluster.command, "farewell", *whose, "--seconds", str(_LEAVE_SECONDS - 15)]
    container["lifecycle"] = {"preStop": {"exec": {"command": farewell}}}
    spec: dict[str, Any] = {
        "terminationGracePeriodSeconds": _LEAVE_SECONDS,
        "containers": [container],
        "volumes": volumes,
        **_identity(cluster),
    }
    if cluster.node_selector and kind == "ray-worker":  # the head needs no dear node
        spec["nodeSelector"] = dict(cluster.node_selector)
    if cluster.tolerations and kind == "ray-worker":
        spec["tolerations"] = _tolerations(cluster)
    return {"metadata": {"labels": _labels(cluster, sweep)}, "spec": spec}


def _variables(cluster: KubeRayCluster, env: Mapping[str, str]) -> list[dict[str, Any]]:
    secret = [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": each.secret, "key": each.key}}}
        for name, each in cluster.secrets.items()
        if each.secret
    ]
    plain = dict(DETECTION) | dict(env)
    return [{"name": name, "value": value} for name, value in plain.items()] + secret


def _volumes(
    cluster: KubeRayCluster, sweep: str, files: Mapping[str, str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    items = [{"key": _key(number), "path": path} for number, path in enumerate(files)]
    mounts: list[dict[str, Any]] = [
        {"name": "job", "mountPath": JOB_FOLDER, "readOnly": True},
        {"name": "shared-memory", "mountPath": "/dev/shm"},  # noqa: S108 - a pod's
    ]
    volumes: list[dict[str, Any]] = [
        {"name": "job", "configMap": {"name": object_name(sweep), "items": items}},
        {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": cluster.shared_memory}},
    ]
    for number, volume in enumerate(cluster.volumes):
        name = f"volume-{number}"
        read_only = {"readOnly": True} if volume.read_only else {}
        mounts.append({"name": name, "mountPath": volume.mount, **read_only})
        volumes.append({"name": name, **_source(volume)})
    return mounts, volumes


def _source(volume: Volume) -> dict[str, Any]:
    if volume.claim:
        return {"persistentVolumeClaim": {"claimName": volume.claim}}
    if volume.secret:
        return {"secret": {"secretName": volume.secret}}
    if volume.config_map:
        return {"configMap": {"name": volume.config_map}}
    server, _, path = str(volume.nfs).partition(":")
    return {"nfs": {"server": server, "path": path}}
