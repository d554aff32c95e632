"""Whether the Ray that this process is attached to lives.  Ray Tune does not ask; it waits for ever."""

from __future__ import annotations


def own_ray_lives() -> bool:
    """Of a Ray that this process started: whether its servers run."""
    from ray._private import ray_constants, worker

    servers = {ray_constants.PROCESS_TYPE_RAYLET, ray_constants.PROCESS_TYPE_GCS_SERVER}
    return not any(kind in servers for kind, _ in worker._global_node.dead_processes())  # noqa: SLF001 - no other way


def joined_ray_lives() -> bool:
    """Of one that ran already: whether this process's node counts; without it no actor of ours can live."""
    import ray

    here = ray.get_runtime_context().get_node_id()
    return any(node["NodeID"] == here and node["Alive"] for node in ray.nodes())
