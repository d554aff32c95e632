"""A schedule on Kubernetes: a CronJob, or a RayCronJob where its cluster file is KubeRay's."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cluster.backends.rayjob import check_storage_mounted, documents, object_name, run_script
from cluster.backends.raypods import RUN, Work, config_map, ray_job_spec
from cluster.errors import ClusterError
from cluster.kubecluster import OWNER_LABEL, SWEEP_LABEL, KubeRayCluster, Pods
from cluster.rendering.cronfields import FULL, CronFields, moved, spans
from cluster.rendering.scheduled import Rendered, Scheduled

_KIND = "recurring"  # what objects are called: no sweep's begin with it
_LONGEST = 36  # name of a RayCronJob, as what it makes has a longer one
_LEAVE_SECONDS = 120  # that the sweep has to save and leave when its pod is to end
_LATE_SECONDS = 3600  # less than a hundred of the times that may be missed, after which no more are run
_SOON_SECONDS = 300


@dataclass(frozen=True)
class Place:
    """Where a CronJob's pod runs, and what it is given.

    Attributes:
        image: holds Recur.
    """

    image: str
    namespace: str = "default"
    pods: Pods = field(default_factory=Pods)
    shared_memory: str = "1Gi"


def cron_job(scheduled: Scheduled, place: Place, now: dt.datetime) -> Rendered:
    """A CronJob whose pod runs the sweep itself.

    Raises:
        ClusterError: the storage is this machine's, or Kubernetes has no words for the expression.
    """
    if "://" not in scheduled.storage:
        raise ClusterError(
            f"storage {scheduled.storage} is a folder of this machine's, which no pod sees; keep schedules "
            "at an s3:// or gs:// URI, or name the volume in a cluster file of KubeRay's (backend: kuberay)"
        )
    name = object_name(scheduled.name, _KIND, _LONGEST)
    labels = {OWNER_LABEL: "recur", SWEEP_LABEL: name}
    pod = {"metadata": {"labels": labels}, "spec": _pod(scheduled, place, name)}
    spec = {
        **_when(scheduled),
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": _LATE_SECONDS if scheduled.catches_up else _SOON_SECONDS,
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 3,
        # One that failed is run again by Recur's own rules.
        "jobTemplate": {"metadata": {"labels": labels}, "spec": {"backoffLimit": 0, "template": pod}},
    }
    metadata = {"name": name, "namespace": place.namespace, "labels": labels}
    job = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": spec}
    secret = (
        f"what the storage and notices need, such as AWS_SECRET_ACCESS_KEY, is taken from a secret {name}"
    )
    return Rendered({f"{name}.yaml": documents(job)}, (secret, *_notes(scheduled, now)))


def _pod(scheduled: Scheduled, place: Place, name: str) -> dict[str, Any]:
    given = {"cpu": str(place.pods.cpus), "memory": place.pods.memory}
    container = {
        "name": "recur",
        "image": place.image,
        "command": scheduled.command(),
        "envFrom": [{"secretRef": {"name": name, "optional": True}}],
        "resources": {"requests": dict(given), "limits": dict(given)},
        "volumeMounts": [{"name": "shared-memory", "mountPath": "/dev/shm"}],  # noqa: S108 - a pod's
    }
    memory = {"medium": "Memory", "sizeLimit": place.shared_memory}
    return {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": _LEAVE_SECONDS,
        "automountServiceAccountToken": False,
        "containers": [container],
        "volumes": [{"name": "shared-memory", "emptyDir": memory}],
    }


def ray_cron_job(scheduled: Scheduled, cluster: KubeRayCluster, now: dt.datetime) -> Rendered:
    """A RayCronJob, which makes a RayJob with a cluster of its own each time.

    Raises:
        ClusterError: the storage is in no volume of the pods, or Kubernetes has no words for the expression.
    """
    check_storage_mounted(cluster, scheduled.storage)
    name = object_name(scheduled.name, _KIND, _LONGEST)
    files = {RUN: run_script(scheduled.command("--address", "auto"))}
    work = Work(cluster, scheduled.name, name, files, cluster.environment())
    spec = {**_when(scheduled), "jobTemplate": ray_job_spec(work)}
    job = {"apiVersion": "ray.io/v1", "kind": "RayCronJob", "metadata": work.metadata, "spec": spec}
    notes = (
        "RayCronJob is behind a feature gate of that name of the KubeRay operator, 1.6 or later",
        "RayJobs that have ended stay, unless the operator has DELETE_RAYJOB_CR_AFTER_JOB_FINISHES=true",
        *_notes(scheduled, now),
    )
    return Rendered({f"{name}.yaml": documents(config_map(work), job)}, notes)


def _when(scheduled: Scheduled) -> dict[str, Any]:
    return {
        "schedule": kubernetes_cron(scheduled),
        "timeZone": scheduled.calendar.zone,
        "suspend": scheduled.paused,
    }


def kubernetes_cron(scheduled: Scheduled) -> str:
    """The expression as Kubernetes reads it: Sunday is 0 alone, and only a plain star leaves a day free.

    Raises:
        ClusterError: it cannot say the same.
    """
    fields = CronFields.of(scheduled.calendar)
    minutes, hours, _, months, _ = fields.plain("Kubernetes")
    weekdays = frozenset(each for each in fields.weekdays if isinstance(each, int))
    free = fields.days == FULL["days"], weekdays == FULL["weekdays"]
    if fields.both and not any(free):
        raise ClusterError(
            f"cron: {scheduled.calendar.cron!r} wants the day of the month and that of the week to fit, and "
            "Kubernetes would run it where one of them does; leave one of them *, or use systemd"
        )
    if any(free) and not fields.both:
        free = True, True  # each day is enough
    days, week = (
        "*" if each else spans(values) for each, values in zip(free, (fields.days, weekdays), strict=True)
    )
    return f"{minutes} {hours} {days} {months} {week}"


def _notes(scheduled: Scheduled, now: dt.datetime) -> Iterator[str]:
    if scheduled.paused:
        yield (
            f"the schedule is paused, and suspended here; render it again after recur schedule resume "
            f"{scheduled.name}"
        )
    if moved(scheduled.calendar, now):
        yield (
            "on the night when clocks go on, Kubernetes passes over what is due in the hour that is left out "
            "and runs it at the next time"
        )
