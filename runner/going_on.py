"""Commands for a sweep that is there: ``resume``, ``extend``, ``retry``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jobs.errors import JobError
from jobs.jobfile import dump_job, parse_job
from jobs.params import space_of
from jobs.searchspec import DEFAULT_TRIALS
from jobs.spec import Job
from runner.launch import (
    check_standing,
    find_sweep,
    read_results,
    read_spec,
    typed,
    warn,
)
from runner.owncode import with_own_code
from runner.run import carry_out, check_machine, parse_workers, show
from runner.submitted import find_known

if TYPE_CHECKING:
    from cluster.storage import SweepFolder


def resume_command(
    *,
    sweep: str,
    storage: str | None,
    workers: str,
    address: str | None,
    cluster_file: Path | None,
    here: bool,
    as_json: bool,
) -> None:
    """Carry out ``recur resume``: where the sweep was submitted to, else here.

    Raises:
        JobError, ClusterError: there is no such sweep, it is being run, what it needs is not here, or its
            code is not this user's.
        WorkFailedError, Interrupted: as ``recur run``.
    """
    from runner.submit import submit_again

    known = find_known(sweep, storage, cluster_file)
    elsewhere = known.submitted is not None and known.submitted.cluster is not None
    if cluster_file is not None or (elsewhere and not here and address is None):
        submit_again(known, cluster_file, as_json=as_json)
        return
    folder = find_sweep(sweep, storage)
    _go_on(folder, with_own_code(folder, read_spec(folder)), workers, address, as_json=as_json)


def retry_command(
    *, sweep: str, storage: str | None, workers: str, address: str | None, as_json: bool
) -> None:
    """Carry out ``recur retry``.

    Raises:
        JobError, ClusterError, WorkFailedError, Interrupted: as ``resume_command``.
    """
    folder = find_sweep(sweep, storage)
    _go_on(folder, with_own_code(folder, read_spec(folder)), workers, address, as_json=as_json, retry=True)


def extend_command(
    *, sweep: str, trials: str, storage: str | None, workers: str, address: str | None, as_json: bool
) -> None:
    """Carry out ``recur extend``.

    Raises:
        JobError: the sweep's number of trials is not the user's to choose, or its space holds no more.
        ClusterError, WorkFailedError, Interrupted: as ``resume_command``.
    """
    folder = find_sweep(sweep, storage)
    spec = with_own_code(folder, read_spec(folder))
    if not re.fullmatch(r"\+?[1-9]\d{0,8}", trials):
        raise click.BadParameter(f"{trials!r} is no number of trials such as +50", param_hint="--trials")
    if spec.search.scheduler == "hyperband":
        raise JobError(
            "hyperband decides the number of trials by itself; for more of its brackets run the job again "
            f"with --set search.hyperband_iterations={spec.search.hyperband_iterations + 1}"
        )
    before, size = read_results(folder).planned or spec.search.trials or DEFAULT_TRIALS, space_of(spec).size()
    if before >= size:
        raise JobError(
            f"all {size:,.0f} configurations of the space are tried already; widen it in a new job"
        )
    more = parse_job(dump_job(spec), source="spec.yaml", overrides=[f"search.trials={before + int(trials)}"])
    _go_on(folder, more, workers, address, as_json=as_json)


def _go_on(
    folder: SweepFolder, spec: Job, workers: str, address: str | None, *, as_json: bool, retry: bool = False
) -> None:
    from runner.data import open_job_panel
    from runner.discovery import check_code
    from runner.sweep import Place

    place = Place(parse_workers(workers), check_machine(spec, address, dry_run=False))
    standing = check_standing(folder, spec, fresh=False)
    nothing = (retry and not standing.results.failures()) or (standing.finished and not retry)
    if nothing:
        left = "no trial has failed" if retry else "it is finished"
        warn(f"{left}; nothing was changed (recur extend {typed(folder)} --trials +N runs more trials)")
        show(folder, spec, standing.results, as_json=as_json)
        return
    panel = open_job_panel(spec)
    check_code(spec, panel, folder)
    carry_out(spec, standing, panel, place, as_json=as_json, retry=retry)
