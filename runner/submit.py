"""``recur submit``: check the job, hand it to a backend, say what to type next."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from cluster.backends import Submission, backend_for
from cluster.clusterfile import Cluster, load_cluster
from cluster.clusters import LocalCluster
from cluster.errors import ClusterError
from jobs.jobfile import dump_job
from runner.data import open_job_panel
from runner.launch import check_standing, open_storage, read_job, typed
from runner.show import print_json


def submit_command(
    *,
    job: Path,
    name: str | None,
    overrides: tuple[str, ...],
    trials: int | None,
    storage: str | None,
    cluster_file: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Carry out ``recur submit``.

    Raises:
        JobError, ClusterError: something given cannot be used, or the cluster refuses it.
    """
    cluster: Cluster = load_cluster(cluster_file) if cluster_file else LocalCluster(backend="local")
    spec = read_job(job, overrides, name=name, trials=trials)
    place = open_storage(storage or cluster.storage, spec)
    if isinstance(cluster, LocalCluster):  # elsewhere data and storage may be in sight of the cluster only
        open_job_panel(spec)
        standing = check_standing(place.sweep(spec.name), spec, fresh=False)
        if standing.results.state == "done":
            raise ClusterError(
                f"sweep {spec.name} is finished already; see: recur best {typed(standing.folder)}, "
                "or choose another --name"
            )
        place.check_writable()
    backend = backend_for(cluster)
    plan = backend.plan(Submission(name=spec.name, job=dump_job(spec), storage=place.uri))
    if dry_run:
        if as_json:
            print_json({"sweep": spec.name, "backend": plan.backend, "command": list(plan.command)})
        else:
            click.echo(plan.describe())
        return
    handle = backend.submit(plan)
    if as_json:
        print_json(
            {"sweep": spec.name, "backend": handle.backend, "id": handle.id, "storage": handle.storage}
        )
        return
    sweep = typed(place.sweep(spec.name))
    click.echo(
        f"{spec.name} submitted to {handle.backend}, {handle.target}\n\nNext:\n"
        f"  recur status {sweep}\n"
        f"  recur best {sweep}\n"
        f"  recur stop {sweep}"
    )
    if isinstance(cluster, LocalCluster):
        click.echo(f"  tail -f {shlex.quote(f'{handle.target}/log.txt')}")
    else:
        click.echo(f"  ray job logs --address {handle.target} --follow {handle.id}")
