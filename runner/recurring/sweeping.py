"""The sweep of a run: here, or handed to the schedule's cluster and waited for."""

from __future__ import annotations

import time
from dataclasses import dataclass

from cluster.clusterfile import Cluster
from cluster.errors import ClusterError
from jobs.panel import Panel
from runner.beginning import find_sources
from runner.discovery import discovered
from runner.errors import WorkFailedError
from runner.launch import check_standing, warn
from runner.owncode import record_code
from runner.recurring.nightly import Nightly
from runner.run import check_machine, work_on
from runner.submit import hand_over
from runner.submitted import find_known, standing_of
from runner.sweep import Place

_ASK_SECONDS = 5.0  # between two looks at a sweep that runs elsewhere


@dataclass(frozen=True)
class Where:
    """Where sweeps are trained that no cluster file sends elsewhere: as ``sweep.Place``."""

    workers: int | None = None
    address: str | None = None


def carry_out_sweep(nightly: Nightly, panel: Panel, where: Where) -> None:
    """Have the run's sweep carried out, as far as it is not; failed trials of an earlier attempt are retried.

    Raises:
        JobError, ClusterError, WorkFailedError, Interrupted: as ``recur run``.
    """
    if nightly.cluster is not None and where.address is None:
        _elsewhere(nightly.cluster, nightly)
    else:
        _here(nightly, panel, where)


def _here(nightly: Nightly, panel: Panel, where: Where) -> None:
    job, sweep = nightly.job, nightly.sweep
    address = check_machine(job, where.address, dry_run=False)
    job = discovered(job, panel, sweep, fresh=False)
    standing = check_standing(sweep, job, fresh=False)
    if standing.finished:
        return
    if not standing.exists:
        find_sources(job, sweep.storage)
    record_code(sweep, job)
    retry = bool(standing.results.failures())
    work_on(job, standing, panel, Place(where.workers, address), retry=retry)


def _elsewhere(cluster: Cluster, nightly: Nightly) -> None:
    """Submit it, unless that is done, and wait for its end.

    Raises:
        ClusterError: the cluster refuses it.
        WorkFailedError: it failed there.
    """
    sweep, state = nightly.sweep, _state(nightly)
    if state in {None, "failed", "interrupted"}:
        submitted = hand_over(cluster, nightly.job, sweep.storage)
        warn(f"{sweep.name} submitted to {submitted.handle.backend} as {submitted.handle.id}")
        state = "pending"
    try:
        while state in {"pending", "running", None}:
            time.sleep(_ASK_SECONDS)
            state = _state(nightly)
    except KeyboardInterrupt:
        warn(f"{sweep.name} goes on where it runs; recur stop {sweep.name} ends it")
        raise
    if state not in {"done", "stopped"}:
        raise WorkFailedError(f"sweep {sweep.name} is {state}; see: recur logs {sweep.uri}")


def _state(nightly: Nightly) -> str | None:
    """How it fares; None where nothing of that name is known."""
    try:
        known = find_known(nightly.sweep.uri, None)
    except ClusterError:
        return None
    return standing_of(known)[0].state
