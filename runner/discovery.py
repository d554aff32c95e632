"""A job whose network a user's function builds: a training process finds out what the function asks.

It is found out once; the sweep's ``spec.yaml`` holds it, so that whoever reads the sweep, resumes it or
replays its journal needs neither Keras nor the function.
"""

from __future__ import annotations

from typing import Any

import yaml

from cluster.errors import ClusterError
from cluster.storage import SweepFolder
from jobs.built import Built, Found
from jobs.errors import JobError
from jobs.jobfile import dump_job, parse_job
from jobs.panel import Panel
from jobs.params import Params, space_of
from jobs.spec import Job
from jobs.usercode import code_of
from runner.launch import check_search, read_results, read_spec, warn
from runner.process import WorkerProcess


def discovered(job: Job, panel: Panel, folder: SweepFolder, *, fresh: bool) -> Job:
    """The job with what its function asks, which an unfinished sweep of that name may know already.

    Raises:
        JobError: the function is not there, raises, or returns what cannot be trained; or as ``check_code``.
        ClusterError: the training process died.
    """
    if not isinstance(job.model, Built):
        return job
    known = read_spec(folder).model if folder.exists() and not fresh else None
    if isinstance(known, Built) and known.found is not None and known.build == job.model.build:
        found = known.found.model_dump(mode="json")
        told = job.model.model_copy(update={"found": known.found})
        moved = known.folder != job.model.folder
        check_code(job.model_copy(update={"model": told}), panel, folder, moved=moved)
    else:
        found = asked_of_worker(job, panel, {"do": "discover"})["found"]
    if not found["asks"] and not space_of(job).parameters:
        raise JobError(f"model.build: {job.model.build} asks nothing of hp: there is nothing to search")
    raw = job.model_dump(mode="json", exclude_unset=True)
    raw["model"] = job.model.model_dump(mode="json") | {"found": found}
    whole = parse_job(yaml.safe_dump(raw, allow_unicode=True), source=job.name)
    check_search(whole)
    return whole


def check_code(job: Job, panel: Panel, folder: SweepFolder, *, moved: bool = False) -> None:
    """See that a sweep's function still asks what it asked when the sweep began, if its code is another now.

    It may be where it has ``moved`` to another folder and the sweep's journal is of before there were hashes.

    Raises:
        JobError: it does not; or as ``discovered``.
        ClusterError: as there.
    """
    if not isinstance(job.model, Built) or job.model.found is None:
        return
    before = read_results(folder).code
    if before == code_of(job) or (before is None and not moved):
        return
    unknown = job.model_copy(update={"model": job.model.model_copy(update={"found": None})})
    now = Found.model_validate(asked_of_worker(unknown, panel, {"do": "discover"})["found"])
    others = _others(job.model.found, now)
    said = f"model.build: the code of {job.model.build} has changed since sweep {folder.name} was run last"
    if others:
        raise JobError(
            f"{said}, and it differs in {', '.join(others)}; choose another --name, or replace that sweep "
            "with --fresh"
        )
    if before is not None:
        warn(f"{said}; its trials so far are of the old code, those to come of the new")


def _others(before: Found, now: Found) -> list[str]:
    """In what a function is another: hyperparameters that it asks for, and what makes scores comparable."""
    names = dict.fromkeys(each.name for each in (*before.asks, *now.asks))
    asked = [{name: [e for e in one.asks if e.name == name] for name in names} for one in (before, now)]
    found = [name for name in names if asked[0][name] != asked[1][name]]
    losses = [one.compiled and one.compiled.loss for one in (before, now)]
    found += ["what it returns"] if before.kind != now.kind else []
    return found + (["the loss that it compiles with"] if losses[0] != losses[1] else [])


def summary_of(job: Job, params: Params, panel: Panel) -> tuple[str, int | None]:
    """A network of the function's in words, and its number of parameters.

    Raises:
        JobError, ClusterError: as ``discovered``.
    """
    told = asked_of_worker(job, panel, {"do": "describe", "params": params.to_json()})
    return told["summary"], told["parameters"]


def asked_of_worker(job: Job, panel: Panel, order: dict[str, Any]) -> dict[str, Any]:
    """What a fresh training process answers."""
    process = WorkerProcess(backend=job.backend, threads=job.resources.cpu, own_code=True)
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
