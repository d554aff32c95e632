"""Whose code a sweep with ``model.build`` is gone on with: what this user gave it himself, from this machine.

Where the sweep lies, others may write; the folder that its ``spec.yaml`` names is not followed.
"""

from __future__ import annotations

import json
from pathlib import Path

from cluster.backends.places import state_folder
from cluster.errors import ClusterError
from cluster.files import replace_file
from cluster.storage import SweepFolder
from jobs.built import Built
from jobs.errors import JobError
from jobs.spec import Job
from runner.launch import warn

_FILE = "code.json"  # in the user's state folder, beside what is known of the sweep's submissions


def record_code(folder: SweepFolder, job: Job) -> None:
    """Write down which function the user gives a sweep, and the folder that holds it."""
    if not isinstance(job.model, Built):
        return
    path = _path(folder)
    given = {"build": job.model.build, "folder": job.model.folder}
    try:
        replace_file(path, json.dumps(given).encode())
    except OSError as error:
        warn(f"{path} cannot be written ({error.strerror}): to go on with {folder.name}, run its job file")


def with_own_code(folder: SweepFolder, spec: Job) -> Job:
    """The job that storage holds, its function taken from where this user has said that it is.

    Raises:
        JobError: he has said so of no such function, or not on this machine.
        ClusterError: the record cannot be read.
    """
    if not isinstance(spec.model, Built):
        return spec
    build, where = _recorded(_path(folder))
    if build != spec.model.build:
        raise JobError(
            f"model.build: {spec.model.build} of sweep {folder.name} is code that you have not run from this "
            f"machine ({'which knows ' + build if build else 'which knows none'} of that sweep), and what "
            "storage says is not believed; go on with its job file: recur run JOB, or recur submit JOB"
        )
    return spec.model_copy(update={"model": spec.model.model_copy(update={"folder": where})})


def _path(folder: SweepFolder) -> Path:
    return state_folder(folder.storage.uri) / folder.name / _FILE


def _recorded(path: Path) -> tuple[str | None, str | None]:
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
        return str(given["build"]), given["folder"] and str(given["folder"])
    except FileNotFoundError:
        return None, None
    except (OSError, ValueError, KeyError, TypeError):
        raise ClusterError(f"{path} cannot be read; take it away, and run the job file again") from None
