"""``recur submit``: check the job, hand it to a backend, say what to type next."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import click

from cluster.backends import JOB, Plan, Submission, backend_for
from cluster.clusterfile import Cluster, load_cluster
from cluster.clusters import LocalCluster
from cluster.errors import ClusterError
from cluster.storage import Storage, SweepFolder
from cluster.submissions import Submitted, submit
from jobs.built import Built
from jobs.jobfile import dump_job
from jobs.spec import Job
from jobs.usercode import modules_of
from runner.asof import with_moment
from runner.launch import Standing, check_standing, open_storage, read_job, read_spec, typed, warn
from runner.owncode import record_code, with_own_code
from runner.show import print_json
from runner.submitted import Known
from runner.warm import check_warm


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
    spec = read_job(job, [*cluster.resources.overrides(), *overrides], name=name, trials=trials)
    check_warm(spec)
    place = open_storage(storage or cluster.storage, spec)
    if isinstance(cluster, LocalCluster):  # elsewhere the data may be in sight of the cluster only
        from runner.data import open_job_panel

        open_job_panel(with_moment(spec, place.sweep(spec.name)))
    if place.local is not None or not dry_run:  # which asks no network
        standing = _standing(cluster, place.sweep(spec.name), spec)
        if standing is not None and standing.finished:
            raise ClusterError(
                f"sweep {spec.name} is finished already; see: recur best {typed(standing.folder)}, "
                "or choose another --name"
            )
    if cluster.shares_files and not dry_run:
        place.check_writable()
    _note_idle_cards(cluster, spec)
    if dry_run:
        _show(_plan_of(cluster, spec, place), as_json=as_json)
    else:
        _say(hand_over(cluster, spec, place), place.sweep(spec.name), as_json=as_json)


def hand_over(cluster: Cluster, spec: Job, place: Storage) -> Submitted:
    """Have a cluster run a sweep.

    Raises:
        ClusterError: it refuses.
    """
    plan = _plan_of(cluster, spec, place)
    record_code(place.sweep(spec.name), spec)
    return _submit(plan, cluster, place.sweep(spec.name))


def _plan_of(cluster: Cluster, spec: Job, place: Storage) -> Plan:
    return _plan(cluster, spec, {} if cluster.shares_files else modules_of(spec), place.uri)


def _standing(cluster: Cluster, folder: SweepFolder, spec: Job) -> Standing | None:
    """What is there already; None where that cannot be seen from here, as it may be the cluster's alone."""
    if cluster.shares_files:
        return check_standing(folder, with_moment(spec, folder), fresh=False)
    if folder.storage.local is not None and not folder.storage.exists():
        return None
    with suppress(ClusterError):  # whoever runs it, its backend knows as what
        folder = folder.impatient()
        return check_standing(folder, with_moment(spec, folder), fresh=False)
    return None


def submit_again(known: Known, cluster_file: Path | None, *, as_json: bool) -> None:
    """Have a sweep gone on with where it was submitted to, or where a cluster file says.

    Raises:
        JobError, ClusterError: as ``submit_command``; or it is finished, or its code is not this user's.
    """
    submitted = known.submitted
    cluster = load_cluster(cluster_file) if cluster_file else submitted.cluster if submitted else None
    assert cluster is not None, "asked of such sweeps alone"  # noqa: S101
    files = submitted.files if submitted else {}
    if known.exists:
        spec = with_own_code(known.folder, read_spec(known.folder))
        standing = check_standing(known.folder, spec, fresh=False)
        if standing.finished:
            raise ClusterError(f"sweep {known.folder.name} is finished; recur extend runs more trials in it")
    elif JOB in files:
        from jobs.jobfile import parse_job

        spec = with_own_code(known.folder, parse_job(files[JOB], source=JOB))
    else:
        raise ClusterError(f"{known.folder.name} has not begun, and its job is not here; submit it again")
    sent = {path: text for path, text in files.items() if path.endswith(".py")}
    modules = {} if cluster.shares_files else sent or modules_of(spec)
    _note_idle_cards(cluster, spec)
    plan = _plan(cluster, spec, modules, known.folder.storage.uri)
    _say(_submit(plan, cluster, known.folder), known.folder, as_json=as_json)


def _note_idle_cards(cluster: Cluster, spec: Job) -> None:
    if cluster.cards and not spec.resources.gpu:
        warn(
            f"the cluster file asks for {cluster.cards} GPUs a node and resources.gpu is 0, so that no trial "
            "uses one; give a trial a card or a share of one (--set resources.gpu=0.5), or leave gpus out"
        )


def _plan(cluster: Cluster, spec: Job, modules: Mapping[str, str], storage: str) -> Plan:
    if modules and isinstance(spec.model, Built):  # they lie beside the job file there
        spec = spec.model_copy(update={"model": spec.model.model_copy(update={"folder": None})})
    submission = Submission(
        name=spec.name,
        job=dump_job(spec, defaults=False),
        storage=storage,
        modules=modules,
        data=spec.data.path,
    )
    plan = backend_for(cluster).plan(submission)
    for note in plan.notes:
        warn(note)
    return plan


def _show(plan: Plan, *, as_json: bool) -> None:
    """The plan; what the cluster is handed goes to stdout alone, so that it can be handed over by hand."""
    if as_json:
        document = {"document": plan.document} if plan.document else {}
        print_json(
            {"sweep": plan.name, "backend": plan.backend, "command": list(plan.command)}
            | {"files": sorted(plan.files), "environment": sorted(plan.env)}
            | document
        )
        return
    click.echo(plan.describe(), err=bool(plan.document))
    if plan.document:
        click.echo("", err=True)
        click.echo(plan.document, nl=False)


def _submit(plan: Plan, cluster: Cluster, folder: SweepFolder) -> Submitted:
    submitted = submit(plan, cluster)
    with suppress(ClusterError):  # the storage may be in sight of the cluster only
        # What was asked of a run that did not live to hear it; the cluster's own next ones would obey it.
        folder.impatient().delete(folder.STOP)
    return submitted


def _say(submitted: Submitted, folder: SweepFolder, *, as_json: bool) -> None:
    handle = submitted.handle
    if as_json:
        print_json(
            {"sweep": handle.name, "backend": handle.backend, "id": handle.id, "storage": handle.storage}
        )
        return
    sweep = typed(folder)
    click.echo(
        f"{handle.name} submitted to {handle.backend} as {handle.id}\n\nNext:\n"
        f"  recur status {sweep}\n"
        f"  recur logs {sweep} --follow\n"
        f"  recur best {sweep}\n"
        f"  recur stop {sweep}"
    )
