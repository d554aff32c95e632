"""What a cluster file says of Kubernetes with the KubeRay operator."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from cluster.clusters import ClusterModel, Part

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_KEY = re.compile(r"([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")
_QUANTITY = re.compile(r"\d+(\.\d+)?(m|[kMGT]i?)?")
SWEEP_LABEL, OWNER_LABEL = "recur.dev/sweep", "app.kubernetes.io/managed-by"
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]*")


def _fits(what: str, pattern: re.Pattern[str], found: str, example: str) -> None:
    if not pattern.fullmatch(found):
        raise ValueError(f"{found!r} is no {what} such as {example}")


class Pods(Part):
    """What each pod of a kind is given; requests and limits are the same."""

    cpus: int = Field(2, ge=1)
    memory: str = "4Gi"

    @field_validator("memory")
    @classmethod
    def _is_an_amount(cls, memory: str) -> str:
        _fits("amount of memory", _QUANTITY, memory, "8Gi")
        return memory


class Workers(Pods):
    """The pods that trials run on.

    Attributes:
        min_replicas, max_replicas: between which their number follows the work; by default it is fixed.
        gpu_resource: what the cards are called.
    """

    replicas: int = Field(1, ge=0)
    min_replicas: int | None = Field(None, ge=0)
    max_replicas: int | None = Field(None, ge=1)
    cpus: int = Field(4, ge=1)
    memory: str = "8Gi"
    gpus: int = Field(0, ge=0)
    gpu_resource: str = "nvidia.com/gpu"

    @property
    def fewest(self) -> int:
        """Pods that there always are."""
        return self.replicas if self.min_replicas is None else self.min_replicas

    @property
    def most(self) -> int:
        """Pods that there ever are."""
        return self.replicas if self.max_replicas is None else self.max_replicas

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if not self.fewest <= self.replicas <= self.most:
            raise ValueError(
                f"replicas ({self.replicas}) is not between min_replicas ({self.fewest}) and max_replicas "
                f"({self.most})"
            )
        _fits("resource", _KEY, self.gpu_resource, "nvidia.com/gpu")
        return self


class Toleration(Part):
    """A taint of nodes that the workers put up with."""

    key: str | None = None
    operator: Literal["Exists", "Equal"] = "Exists"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None

    @model_validator(mode="after")
    def _has_a_value_or_not(self) -> Self:
        if (self.operator == "Equal") != (self.value is not None):
            raise ValueError("operator: Equal wants a value, and Exists none")
        return self


class Volume(Part):
    """A volume in every pod: one of ``claim``, ``secret``, ``config_map`` and ``nfs`` (``server:/path``)."""

    mount: str
    claim: str | None = None
    secret: str | None = None
    config_map: str | None = None
    nfs: str | None = None
    read_only: bool = False

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        named = [self.claim, self.secret, self.config_map]
        if sum(each is not None for each in (*named, self.nfs)) != 1:
            raise ValueError("is one of claim, secret, config_map and nfs")
        for name in filter(None, named):
            _fits("name of Kubernetes's", _SUBDOMAIN, name, "sweeps")
        if self.nfs is not None and ":/" not in self.nfs:
            raise ValueError(f"{self.nfs!r} is no export such as server:/path")
        if not self.mount.startswith("/") or ".." in self.mount.split("/"):
            raise ValueError(f"{self.mount!r} is no absolute path to mount it at")
        return self


class KubeRayCluster(ClusterModel):
    """Kubernetes with the KubeRay operator: a RayJob, with a Ray cluster of its own, for each sweep.

    Attributes:
        image: of all pods; holds Recur.
        context: of kubectl; by default the current one.
        command: what Recur is called in the image.
        tolerations, node_selector: of the workers; the pod that submits puts up with the same taints.
        ray_version: of the image; by default of this machine.
        shared_memory: of each pod, for Ray's object store.
        retries: how often a sweep whose cluster has died goes on in another one.
        time_limit: seconds for all of it.
        keep_seconds: how long the cluster is kept when the sweep has ended.
    """

    backend: Literal["kuberay"]
    image: str
    namespace: str = "default"
    context: str | None = None
    command: str = "recur"
    ray_version: str | None = None
    head: Pods = Field(default_factory=Pods)
    workers: Workers = Field(default_factory=Workers)
    tolerations: tuple[Toleration, ...] = Field((), strict=False)
    node_selector: dict[str, str] = Field(default_factory=dict)
    volumes: tuple[Volume, ...] = Field((), strict=False)
    shared_memory: str = "1Gi"
    service_account: str | None = None
    pull_secrets: tuple[str, ...] = Field((), strict=False)
    labels: dict[str, str] = Field(default_factory=dict)
    retries: int = Field(3, ge=0)
    time_limit: int | None = Field(None, ge=60)
    keep_seconds: int = Field(60, ge=0)

    @field_validator("image")
    @classmethod
    def _is_an_image(cls, image: str) -> str:
        _fits("image", _IMAGE, image, "registry/recur:0.1")
        return image

    @field_validator("namespace")
    @classmethod
    def _is_a_label(cls, name: str) -> str:
        _fits("namespace", _LABEL, name, "tuning")
        return name

    @field_validator("shared_memory")
    @classmethod
    def _is_an_amount(cls, amount: str) -> str:
        _fits("amount of memory", _QUANTITY, amount, "1Gi")
        return amount

    @field_validator("labels", "node_selector")
    @classmethod
    def _are_labels(cls, labels: dict[str, str]) -> dict[str, str]:
        for key, value in labels.items():
            _fits("label's key", _KEY, key, "team")
            _fits("label's value", _VALUE, value, "forecasting")
        return labels

    @field_validator("labels")
    @classmethod
    def _are_not_our_own(cls, labels: dict[str, str]) -> dict[str, str]:
        for key in (SWEEP_LABEL, OWNER_LABEL):
            if key in labels:
                raise ValueError(f"{key} is Recur's own, by which it knows its objects; leave it out")
        return labels

    @model_validator(mode="after")
    def _secrets_are_there(self) -> Self:
        for name, each in self.secrets.items():
            if each.env is not None:
                raise ValueError(
                    f"secrets.{name}: the pods do not have this machine's environment; give secret and key"
                )
        for name in filter(None, (self.service_account, *self.pull_secrets)):
            _fits("name of Kubernetes's", _SUBDOMAIN, name, "recur")
        return self

    @property
    def nodes(self) -> int:
        """Of Ray, that a sweep begins with: the head and the workers."""
        return 1 + self.workers.replicas

    @property
    def cards(self) -> int:
        """GPUs of each worker."""
        return self.workers.gpus

    @property
    def reads_kubernetes_secrets(self) -> bool:
        """A secret may be one of Kubernetes's."""
        return True
