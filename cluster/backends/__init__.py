"""Where a sweep can be submitted to: one module a backend, all behind the ``Backend`` protocol."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from cluster.backends.submission import JOB, Handle, Plan, Status, Submission

if TYPE_CHECKING:  # most that is asked of submissions, such as whether there was one, needs no backend
    from cluster.clusterfile import Cluster

__all__ = ["JOB", "Backend", "Handle", "Plan", "Status", "Submission", "backend_for", "backends"]


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


def backends() -> dict[str, Callable[[Any], Backend]]:
    """All that there are, by the names that cluster files call them."""
    from cluster.backends.kuberay import KubeRayBackend
    from cluster.backends.local import LocalBackend
    from cluster.backends.ray_jobs import RayJobsBackend
    from cluster.backends.slurm import SlurmBackend

    return {
        "local": LocalBackend,
        "ray_jobs": RayJobsBackend,
        "slurm": SlurmBackend,
        "kuberay": KubeRayBackend,
    }


def backend_for(cluster: Cluster) -> Backend:
    """The backend that a cluster file names."""
    return backends()[cluster.backend](cluster)
