"""Where a sweep can be submitted to: one module a backend, all behind the ``Backend`` protocol."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from cluster.backends.kuberay import KubeRayBackend
from cluster.backends.local import LocalBackend
from cluster.backends.ray_jobs import RayJobsBackend
from cluster.backends.slurm import SlurmBackend
from cluster.backends.submission import JOB, Handle, Plan, Status, Submission
from cluster.clusterfile import Cluster

__all__ = ["BACKENDS", "JOB", "Backend", "Handle", "Plan", "Status", "Submission", "backend_for"]


class Backend(Protocol):
    """What each backend does; all but ``plan`` raise ClusterError with the sentence for the user."""

    def plan(self, submission: Submission) -> Plan:
        """Say what ``submit`` will do; touches nothing."""
        ...

    def submit(self, plan: Plan) -> Handle:
        """Do it; gives back as soon as the sweep is on its way."""
        ...

    def status(self, handle: Handle) -> Status:
        """How it fares."""
        ...

    def logs(self, handle: Handle) -> str:
        """Everything it has printed so far."""
        ...

    def stop(self, handle: Handle) -> None:
        """Ask it to end as Ctrl-C does, wait, and make it end if it does not; stopped twice is no error."""
        ...

    def forget(self, handle: Handle) -> None:
        """Take away what its cluster keeps of one that has ended; forgotten twice is no error."""
        ...


BACKENDS: Final[dict[str, Callable[[Any], Backend]]] = {
    "local": LocalBackend,
    "ray_jobs": RayJobsBackend,
    "slurm": SlurmBackend,
    "kuberay": KubeRayBackend,
}


def backend_for(cluster: Cluster) -> Backend:
    """The backend that a cluster file names."""
    return BACKENDS[cluster.backend](cluster)
