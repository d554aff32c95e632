"""Room that a Ray cluster does not have yet, asked for from its autoscaler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

# Who starts nodes by group (KubeRay, Ray's own launcher) tells each its group, and Ray labels it so.
_GROUP = "ray.io/node-group"


def has_autoscaler() -> bool:
    """Whether the Ray that this process is attached to has nodes started when they are asked for."""
    import ray

    return any(_GROUP in (node.get("Labels") or {}) for node in ray.nodes() if node["Alive"])


def ask_for(bundles: Sequence[Mapping[str, float]]) -> None:
    """Have the cluster hold so much, each bundle on one node, in place of all that was asked for before.

    Ray starts nodes only for work that waits in it, and a sweep hands out no more than there is room for.
    """
    from ray.autoscaler.sdk import request_resources
    from ray.exceptions import RayError

    with suppress(RayError, RuntimeError, OSError):  # whether Ray lives is looked at elsewhere
        request_resources(bundles=[dict(bundle) for bundle in bundles])
