"""``recur schedule render``: a schedule for a platform's own scheduler."""

from __future__ import annotations

import datetime as dt
import getpass
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import click

from cluster.clusterfile import Cluster, parse_cluster
from cluster.errors import ClusterError
from cluster.files import refusing, replace_file
from cluster.kubecluster import KubeRayCluster
from cluster.rendering.crontab import crontab
from cluster.rendering.kubernetes import Place, cron_job, ray_cron_job
from cluster.rendering.scheduled import Rendered, Scheduled
from cluster.rendering.systemd import units
from cluster.schedules import ScheduleFolder
from cluster.slurmcluster import SlurmCluster
from jobs.jobfile import parse_job
from runner.launch import open_storage, warn
from runner.recurring.desk import cluster_of
from runner.recurring.trust import executed

Platform = Literal["cron", "systemd", "kubernetes"]


@dataclass(frozen=True)
class Options:
    """What is said beside the schedule and the platform.

    Attributes:
        system: for systemd: units of the system's own manager.
        image, namespace, cpus, memory: for Kubernetes, where the schedule's cluster file is not KubeRay's.
    """

    system: bool = False
    image: str | None = None
    namespace: str | None = None
    cpus: int | None = None
    memory: str | None = None


def render_command(
    *, name: str, to: Platform, storage: str | None, out: Path | None, options: Options
) -> None:
    """Carry out ``recur schedule render``: print the text, or write its files to a folder.

    Raises:
        ClusterError: there is no such schedule, or the platform cannot do what it says.
        JobError: its job file is none.
    """
    folder = ScheduleFolder.of(open_storage(storage), name)
    rendered = render(folder, to, options, dt.datetime.now(dt.UTC))
    for note in rendered.notes:
        warn(note)
    if out is None:
        named = [f"# {file}\n{text}" for file, text in rendered.files.items()]
        click.echo("\n".join(named if len(named) > 1 else rendered.files.values()), nl=False)
        return
    with refusing(f"--out {out}: cannot be written"):
        out.mkdir(parents=True, exist_ok=True)
        for file, text in rendered.files.items():
            replace_file(out / file, text.encode())
            click.echo(str(out / file))


def render(folder: ScheduleFolder, to: Platform, options: Options, now: dt.datetime) -> Rendered:
    """The text for a platform; writes nothing.

    Raises:
        ClusterError, JobError: as ``render_command``.
    """
    definition = folder.definition()
    job = parse_job(folder.text(folder.JOB), source=folder.inside(folder.JOB))
    local = folder.storage.local
    scheduled = Scheduled(
        name=folder.schedule,
        calendar=definition.calendar,
        storage=folder.storage.uri if local is None else str(local),
        catches_up=job.schedule.missed == "once",
        paused=definition.paused,
        trusted=folder.digest() if executed(folder, job) else None,
    )
    if to == "kubernetes":
        return _on_kubernetes(scheduled, cluster_of(folder), options, now)
    here = replace(scheduled, program=_program())
    if to == "cron":
        return crontab(here, _machine_zone())
    return units(here, now, getpass.getuser() if options.system else None)


def _on_kubernetes(
    scheduled: Scheduled, cluster: Cluster | None, options: Options, now: dt.datetime
) -> Rendered:
    given = {
        "--image": options.image,
        "--namespace": options.namespace,
        "--cpus": options.cpus,
        "--memory": options.memory,
    }
    if isinstance(cluster, KubeRayCluster):
        for option, value in given.items():
            if value is not None:
                raise ClusterError(f"{option}: the schedule's cluster file says that; leave it out")
        return ray_cron_job(replace(scheduled, program=(cluster.command,)), cluster, now)
    if isinstance(cluster, SlurmCluster):
        raise ClusterError(
            f"schedule {scheduled.name} runs on Slurm, to which no pod submits; use --to systemd or cron on "
            "a login node"
        )
    return cron_job(scheduled, _place(options), now)


def _place(options: Options) -> Place:
    if options.image is None:
        raise ClusterError("--image: name the image that holds Recur, such as registry/recur:0.1")
    pods = {name: value for name, value in (("cpus", options.cpus), ("memory", options.memory)) if value}
    # The same fields as a cluster file's, so that what Kubernetes would refuse is found here.
    raw = {"backend": "kuberay", "image": options.image, "head": pods}
    named = {"namespace": options.namespace} if options.namespace else {}
    checked = parse_cluster(raw | named, source="--to kubernetes")
    assert isinstance(checked, KubeRayCluster), "as it says"  # noqa: S101
    return Place(checked.image, checked.namespace, checked.head)


def _program() -> tuple[str, ...]:
    """Recur as it is run here, by absolute paths: schedulers have no PATH of the user's."""
    own = Path(sys.executable).with_name("recur")
    return (str(own),) if own.is_file() else (sys.executable, "-P", "-m", "runner.cli")


def _machine_zone() -> str | None:
    """The zone that cron takes on this machine; None where it does not show."""
    link = Path("/etc/localtime")
    if not link.exists():
        return "UTC"
    _, found, zone = str(link.resolve()).partition("/zoneinfo/")
    return zone.removeprefix("Etc/") if found else None
