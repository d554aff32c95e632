"""A job whose network a user's function builds: a training process finds out what the function asks.

It is found out once; the sweep's ``spec.yaml`` holds it, so that whoever reads the sweep, resumes it or
replays its journal needs neither Keras nor the function.
"""

from __future__ import annotations

from typing import Any

import yaml

from cluster.errors import ClusterError
from cluster.storage import SweepFolder
from jobs.built import Built
from jobs.errors import JobError
from jobs.jobfile import dump_job, parse_job
from jobs.panel import Panel
from jobs.params import Params, space_of
from jobs.spec import Job
from runner.launch import check_search, read_spec
from runner.process import WorkerProcess


def discovered(job: Job, panel: Panel, folder: SweepFolder, *, fresh: bool) -> Job:
    """The job with what its function asks, which an unfinished sweep of that name may know already.

    Raises:
        JobError: the function is not there, raises, or returns what cannot be trained.
        ClusterError: the training process died.
    """
    if not isinstance(job.model, Built):
        return job
    known = read_spec(folder).model if folder.exists() and not fresh else None
    own = (job.model.build, job.model.folder)
    if isinstance(known, Built) and known.found is not None and (known.build, known.folder) == own:
        found = known.found.model_dump(mode="json")
    else:
        found = asked_of_worker(job, panel, {"do": "discover"})["found"]
    if not found["asks"] and not space_of(job).parameters:
        raise JobError(f"model.build: {job.model.build} asks nothing of hp: there is nothing to search")
    raw = job.model_dump(mode="json", exclude_unset=True)
    raw["model"] = job.model.model_dump(mode="json") | {"found": found}
    whole = parse_job(yaml.safe_dump(raw, allow_unicode=True), source=job.name)
    check_search(whole)
    return whole


def summary_of(job: Job, params: Params, panel: Panel) -> tuple[str, int | None]:
    """A network of the function's in words, and its number of parameters.

    Raises:
        JobError, ClusterError: as ``discovered``.
    """
    told = asked_of_worker(job, panel, {"do": "describe", "params": params.to_json()})
    return told["summary"], told["parameters"]


def asked_of_worker(job: Job, panel: Panel, order: dict[str, Any]) -> dict[str, Any]:
    """What a fresh training process answers."""
    process = WorkerProcess(backend=job.backend, threads=job.resources.cpu)
    try:
        process.send(order | {"job": dump_job(job), "panel": str(panel.folder)})
        while (message := process.receive()) is not None and message["say"] == "heartbeat":
            pass
    finally:
        process.close()
    if message is None or message["say"] == "died":
        raise ClusterError(
            f"{message['error'] if message else 'no answer'}, while it looked into model.build"
        )
    if message["say"] == "failed":
        raise JobError(message["error"])
    return message
