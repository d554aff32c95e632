"""Whose definitions are believed where they name what is executed.

Whoever can write to a storage can write a schedule there.  What it computes with is checked like any job; but
a function of one's own, a command that is to be told, a cluster or a secret is believed only where this user
has said so: by adding the schedule from this machine, or by ``--trust``.
"""

from __future__ import annotations

import json
from pathlib import Path

from cluster.backends.places import make_private, state_folder
from cluster.files import refusing, replace_file
from cluster.schedules import SCHEDULES, ScheduleFolder
from jobs.built import Built
from jobs.errors import JobError
from jobs.schedulespec import Notice, Reference
from jobs.spec import Job


def believe(folder: ScheduleFolder, digest: str) -> None:
    """Write down that this user has given a schedule these files.

    Raises:
        ClusterError: it cannot be written.
    """
    path = _path(folder)
    with refusing(f"{path}: cannot be written"):
        make_private(path.parent)
        replace_file(path, json.dumps({"digest": digest}).encode(), 0o600)


def forget(folder: ScheduleFolder) -> None:
    """It is gone."""
    _path(folder).unlink(missing_ok=True)


def check_trust(folder: ScheduleFolder, job: Job, trusted: str | None) -> None:
    """See that what a schedule has executed is believed.

    ``trusted`` is the SHA-256 of files that are, or ``all`` where whatever stands on the storage is.

    Raises:
        JobError: it is not.
    """
    if not _is_believed(folder, job, trusted):
        raise JobError(
            f"schedule {folder.schedule} executes what its files on {folder.storage.uri} name "
            f"({executed(folder, job)}), and you have not added them from this machine as they are; add it "
            "again from here (recur schedule add --replace), or trust everybody who can write to that "
            "storage with --trust"
        )


def believed_notices(folder: ScheduleFolder, job: Job, trusted: str | None) -> tuple[Notice, ...] | None:
    """Whom a job names to be told; None where that is not believed."""
    return job.notify if _is_believed(folder, job, trusted) else None


def _is_believed(folder: ScheduleFolder, job: Job, trusted: str | None) -> bool:
    if not executed(folder, job) or trusted == "all":
        return True
    return folder.digest() in {trusted, _believed(folder)}


def executed(folder: ScheduleFolder, job: Job) -> str:
    """What is more than data, by its fields; nothing where all of it is."""
    found = ["model.build"] if isinstance(job.model, Built) else []
    found += ["notify.command"] if any(notice.command for notice in job.notify) else []
    secret = any(isinstance(notice.webhook, Reference) for notice in job.notify)
    found += ["a secret in notify.webhook"] if secret else []
    found += [folder.CLUSTER] if folder.exists(folder.CLUSTER) else []
    return ", ".join(found)


def _believed(folder: ScheduleFolder) -> str | None:
    try:
        return str(json.loads(_path(folder).read_text(encoding="utf-8"))["digest"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _path(folder: ScheduleFolder) -> Path:
    return state_folder(folder.storage.uri) / SCHEDULES / f"{folder.schedule}.json"
