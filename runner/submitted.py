"""A sweep as far as it is known: its folder, and what was submitted under its name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster.errors import ClusterError
from cluster.storage import SweepFolder
from runner.launch import find_sweep, named_folder, no_such_sweep, read_results
from runner.results import Results

if TYPE_CHECKING:  # what reads a journal is to start at once
    from cluster.backends import Status
    from cluster.submissions import Submitted


@dataclass(frozen=True)
class Known:
    """A sweep, a submission, or both.

    Attributes:
        exists: whether the sweep has begun.
    """

    folder: SweepFolder
    exists: bool
    submitted: Submitted | None


def find_known(sweep: str, storage: str | None, cluster: Path | None = None) -> Known:
    """The sweep or the submission that a name, a folder or a URI means.

    Raises:
        ClusterError: there is neither, or the ``cluster`` file cannot be used.
    """
    folder = named_folder(sweep, storage)
    if folder is None:
        raise no_such_sweep(sweep, storage)
    submitted = latest_submission(folder, cluster)
    if submitted is None and not folder.exists():
        find_sweep(sweep, storage)  # says what there is instead
    return Known(folder, folder.exists(), submitted)


def latest_submission(folder: SweepFolder, cluster: Path | None = None) -> Submitted | None:
    """What was submitted last under a sweep's name.

    Raises:
        ClusterError: as ``find_known``.
    """
    from cluster.submissions import find_submitted

    given = None
    if cluster is not None:
        from cluster.clusterfile import load_cluster

        given = load_cluster(cluster)
    return find_submitted(folder.storage.uri, folder.name, given)


def standing_of(known: Known) -> tuple[Results, dict[str, Any]]:
    """What a sweep has found, its state as its journal and its backend say it; and the latter's own words.

    The journal knows of all that ran, and of what was submitted and has not begun the backend alone.
    """
    results = read_results(known.folder) if known.exists else Results()
    if known.submitted is None:
        return results, {}
    handle = known.submitted.handle
    facts: dict[str, Any] = {"backend": handle.backend, "id": handle.id, "by": known.submitted.by}
    if results.state not in {"running", "done"}:
        status, message = _asked(known.submitted)
        facts |= {"state": status.state if status else None, "message": message}
        if not known.exists and status is not None and status.ended:
            results.state = "stopped" if status.state == "stopped" else "failed"
        elif not known.exists or (status is not None and not status.ended):
            results.state = "pending"
    return results, {"submitted": facts}


def _asked(submitted: Submitted) -> tuple[Status | None, str]:
    """How it fares and in which words; None where that cannot be asked, and the words why."""
    try:
        status = submitted.status()
    except ClusterError as error:
        return None, str(error)
    return status, status.message if status else "give its cluster file with --cluster to ask for it"
