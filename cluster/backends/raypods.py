"""What a RayJob asks for, a sweep's or a schedule's: a Ray cluster of its own, the command at its head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from cluster.kubecluster import OWNER_LABEL, SWEEP_LABEL, KubeRayCluster, Pods, Volume, Workers
from cluster.node import DETECTION, OBJECT_STORE_BYTES

JOB_FOLDER = "/etc/recur/job"  # in every pod
RUN = "run.sh"  # among the files: the command
_LEAVE_SECONDS = 90  # that the sweep has to save and leave when its pod is to end


@dataclass(frozen=True)
class Work:
    """What runs on a Ray cluster of its own.

    Attributes:
        cluster: what to ask for.
        name: the sweep's, or the schedule's.
        objects: what its objects are called.
        files: what lies in ``JOB_FOLDER``, by path; ``run.sh`` runs it, beside the head.
        env: of every process; what Kubernetes has secret is taken from it there.
    """

    cluster: KubeRayCluster
    name: str
    objects: str
    files: Mapping[str, str] = field(repr=False)
    env: Mapping[str, str] = field(repr=False)

    @property
    def labels(self) -> dict[str, str]:
        """Of its pods."""
        return {SWEEP_LABEL: self.objects, **self.cluster.labels}

    @property
    def metadata(self) -> dict[str, Any]:
        """Of its objects."""
        labels = {OWNER_LABEL: "recur", **self.labels}
        return {"name": self.objects, "namespace": self.cluster.namespace, "labels": labels}


def config_map(work: Work) -> dict[str, Any]:
    """The object that holds its files."""
    data = {_key(number): text for number, text in enumerate(work.files.values())}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": work.metadata, "data": data}


def _key(number: int) -> str:
    """A key stands for a path, which may hold what a key may not."""
    return f"file-{number}"


def ray_job_spec(work: Work) -> dict[str, Any]:
    """What a RayJob is to be."""
    cluster = work.cluster
    limit = {"activeDeadlineSeconds": cluster.time_limit} if cluster.time_limit else {}
    # A submitting pod prints what the driver prints; the driver itself runs beside the head.
    return {
        "entrypoint": f"sh {JOB_FOLDER}/{RUN}",
        "submissionMode": "K8sJobMode",
        "backoffLimit": cluster.retries,  # each time a new cluster goes on from storage
        "shutdownAfterJobFinishes": True,
        "ttlSecondsAfterFinished": cluster.keep_seconds,
        **limit,
        "submitterPodTemplate": _submitter(work),
        "rayClusterSpec": _ray_cluster(work),
    }


def _submitter(work: Work) -> dict[str, Any]:
    """The pod that hands the job to the head: the operator's own, and what a site wants of every pod."""
    cluster = work.cluster
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
    return {"metadata": {"labels": work.labels}, "spec": spec}


def _ray_cluster(work: Work) -> dict[str, Any]:
    cluster = work.cluster
    workers = cluster.workers
    scaled = workers.fewest < workers.most
    alone = workers.most == 0  # then trials run on the head
    head = {
        "serviceType": "ClusterIP",  # the operator asks there, with the token; nothing leads in from outside
        "rayStartParams": _start(cluster.head.cpus if alone else 0),
        "template": _pod(work, "ray-head", cluster.head),
    }
    group = {
        "groupName": "trials",
        "replicas": workers.replicas,
        "minReplicas": workers.fewest,
        "maxReplicas": workers.most,
        "rayStartParams": _start(workers.cpus),
        "template": _pod(work, "ray-worker", workers),
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


def _identity(cluster: KubeRayCluster) -> dict[str, Any]:
    """Who a pod is, and as whom its image is fetched."""
    account = {"serviceAccountName": cluster.service_account} if cluster.service_account else {}
    secrets = [{"name": name} for name in cluster.pull_secrets]
    return account | ({"imagePullSecrets": secrets} if secrets else {})


def _tolerations(cluster: KubeRayCluster) -> list[dict[str, Any]]:
    return [each.model_dump(exclude_none=True) for each in cluster.tolerations]


def _pod(work: Work, kind: str, pods: Pods) -> dict[str, Any]:
    cluster = work.cluster
    given = {"cpu": str(pods.cpus), "memory": pods.memory}
    if isinstance(pods, Workers) and pods.gpus:
        given[pods.gpu_resource] = str(pods.gpus)
    mounts, volumes = _volumes(work)
    container: dict[str, Any] = {
        "name": kind,
        "image": cluster.image,
        "env": _variables(work),
        "resources": {"requests": dict(given), "limits": dict(given)},
        "volumeMounts": mounts,
    }
    # A pod's end would kill what runs in it at once.  The head's is told first and has the sweep save; those
    # of the workers, which all end with it, wait until what trains there has done so.
    whose = [work.name] if kind == "ray-head" else []
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
    return {"metadata": {"labels": work.labels}, "spec": spec}


def _variables(work: Work) -> list[dict[str, Any]]:
    secret = [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": each.secret, "key": each.key}}}
        for name, each in work.cluster.secrets.items()
        if each.secret
    ]
    plain = dict(DETECTION) | dict(work.env)
    return [{"name": name, "value": value} for name, value in plain.items()] + secret


def _volumes(work: Work) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    items = [{"key": _key(number), "path": path} for number, path in enumerate(work.files)]
    mounts: list[dict[str, Any]] = [
        {"name": "job", "mountPath": JOB_FOLDER, "readOnly": True},
        {"name": "shared-memory", "mountPath": "/dev/shm"},  # noqa: S108 - a pod's
    ]
    volumes: list[dict[str, Any]] = [
        {"name": "job", "configMap": {"name": work.objects, "items": items}},
        {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": work.cluster.shared_memory}},
    ]
    for number, volume in enumerate(work.cluster.volumes):
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
