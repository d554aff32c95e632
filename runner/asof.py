"""The moment that a job's moving conditions are of: what the job says, else the sweep's own, else now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.launch import read_spec

if TYPE_CHECKING:  # what reads a journal is to start at once
    from cluster.storage import SweepFolder
    from jobs.spec import Job


def with_moment(job: Job, folder: SweepFolder | None, *, fresh: bool = False) -> Job:
    """The job with the moment of its conditions, where some move and it says none.

    A sweep that is in the ``folder`` keeps its own, so that it reads the same rows however often it is gone
    on with, unless a ``fresh`` one replaces it.

    Raises:
        JobError: the folder's ``spec.yaml`` is no job.
    """
    from jobs.moving import now
    from jobs.where import moves

    if job.data.as_of is not None or not moves(job.data.where):
        return job
    own = read_spec(folder).data.as_of if folder is not None and not fresh and folder.exists() else None
    data = job.data.model_copy(update={"as_of": own or now()})
    return job.model_copy(update={"data": data})
