"""The manifest of a sweep on Kubernetes: its files, and a RayJob with a cluster of its own."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from cluster.backends.raypods import Work, config_map, ray_job_spec
from cluster.errors import ClusterError
from cluster.kubecluster import KubeRayCluster

_LONGEST = 40  # what KubeRay itself adds to a name has to fit too
_MOST_BYTES = 900_000  # that a ConfigMap takes


def run_script(command: Sequence[str]) -> str:
    """What the head runs: on its way there an entrypoint is read by two shells, quoted for neither.

    The operator pastes it into a line of bash, and Ray's client joins what that makes of it without heed of
    what a shell on the head will do: the ``&`` of a URI would end the command there.
    """
    return f"#!/bin/sh\nexec {shlex.join(command)}\n"


def object_name(name: str, kind: str = "recur", longest: int = _LONGEST) -> str:
    """What the objects of a sweep are called: its name as Kubernetes takes it, and what tells it from others.

    Those of other things than sweeps begin with another ``kind``.
    """
    plain = re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")
    found = f"{kind}-{plain}"
    if plain == name and len(found) <= longest:
        return found
    return f"{found[: longest - 9].rstrip('-')}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def mounted(cluster: KubeRayCluster, place: str, *, writable: bool) -> bool:
    """Whether the pods see a path or URI."""
    volumes = [volume for volume in cluster.volumes if not (writable and volume.read_only)]
    mounts = [volume.mount.rstrip("/") for volume in volumes]
    return "://" in place or any(f"{place}/".startswith(f"{mount}/") for mount in mounts)


def check_storage_mounted(cluster: KubeRayCluster, storage: str) -> None:
    """See that what the pods keep outlives them.

    Raises:
        ClusterError: the storage is in none of their volumes.
    """
    if not mounted(cluster, storage, writable=True):
        raise ClusterError(
            f"storage {storage} is in no volume of the pods and would go with them; mount one there "
            "(volumes), or keep sweeps at an s3:// or gs:// URI"
        )


def manifest(
    cluster: KubeRayCluster,
    sweep: str,
    files: Mapping[str, str],
    env: Mapping[str, str],
) -> str:
    """The YAML that ``kubectl apply`` takes; see ``Work``.

    Raises:
        ClusterError: the files are too much for a ConfigMap.
    """
    if sum(len(text.encode()) for text in files.values()) > _MOST_BYTES:
        raise ClusterError(
            f"{sweep}: its job and modules are more than {_MOST_BYTES // 1000} kB, which no ConfigMap holds; "
            "put the modules into the image"
        )
    work = Work(cluster, sweep, object_name(sweep), files, env)
    job = {"apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": work.metadata, "spec": ray_job_spec(work)}
    return documents(config_map(work), job)


def documents(*each: dict[str, Any]) -> str:
    """Objects as one YAML text."""
    return yaml.dump_all(each, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


class _Dumper(yaml.SafeDumper):
    """YAML as people write it: text of several lines as a block, and nothing by reference."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's
        """Never refer to what stood before."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
