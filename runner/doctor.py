"""``recur doctor``: what is wrong where a sweep is to run, on every node, before it runs."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from cluster.backends import Backend, Handle, Submission, backend_for
from cluster.checkup import Facts
from cluster.clusterfile import Cluster, load_cluster
from cluster.clusters import LocalCluster
from cluster.doctor import Examined, examine_cluster, examine_here, notes, problems
from cluster.errors import ClusterError
from jobs.built import Built
from jobs.spec import Job
from jobs.usercode import installed_file, modules_of
from runner.errors import WorkFailedError
from runner.launch import open_storage, read_job
from runner.show import print_json, print_table

_BEGIN, _END = "----- recur doctor -----", "----- end -----"
_WAIT_SECONDS = 900.0  # for a queue
_GB = 1e9
_CHECKS = ("storage", "data", "ports", "token")  # columns of the table


@dataclass(frozen=True)
class Inspection(Submission):
    """Looks at a cluster in the place of a sweep, with a job or without one."""

    nodes: int = 1

    def argv(self, program: Sequence[str], jobfile: str, *extra: str) -> list[str]:
        """The command; of what a sweep's gets, the address."""
        address = list(extra[:2]) if extra[:1] == ("--address",) else []
        told = ["--storage", self.storage, "--nodes", str(self.nodes), "--raw"]
        return [*program, "doctor", *([jobfile] if self.job else []), *told, *address]

    def files(self) -> dict[str, str]:
        """As a sweep's; nothing where there is no job."""
        return super().files() if self.job else {}


def doctor_command(
    *,
    job: Path | None,
    storage: str | None,
    cluster_file: Path | None,
    address: str | None,
    nodes: int,
    raw: bool,
    as_json: bool,
) -> None:
    """Carry out ``recur doctor``.

    Raises:
        JobError, ClusterError: something given cannot be used, or nothing can be asked there.
        WorkFailedError: something is to be mended.
    """
    cluster = load_cluster(cluster_file) if cluster_file else None
    spec = (
        read_job(job, cluster.resources.overrides() if cluster else [], name=None, trials=None)
        if job
        else None
    )
    place = open_storage(storage or (cluster.storage if cluster else None), spec)
    data = spec.data.path if spec else None
    if cluster is not None and not isinstance(cluster, LocalCluster):
        found = _asked(cluster, spec, place.uri, nodes)
    elif address is not None:
        found = examine_cluster(address, place.uri, data, nodes)
    else:
        found = examine_here(place.uri, data)
    if raw:
        click.echo("\n".join([_BEGIN, json.dumps([asdict(each) for each in found]), _END]))
        return
    gpu, (code, missing) = spec.resources.gpu if spec else 0.0, _code(spec)
    said = problems(found, gpu) + missing
    _show(found, said, notes(found, gpu), code, as_json=as_json)
    if said:
        mend = "one thing is" if len(said) == 1 else f"{len(said)} things are"
        raise WorkFailedError(f"{mend} to be mended before a sweep runs there")


def _asked(cluster: Cluster, spec: Job | None, storage: str, nodes: int) -> list[Examined]:
    """The cluster's own answer, by the way that a sweep takes there."""
    from jobs.jobfile import dump_job

    name = f"doctor-{secrets.token_hex(4)}"
    count = max(nodes, getattr(cluster, "nodes", 1))
    modules = {} if spec is None or cluster.shares_files else modules_of(spec)
    job, data = (dump_job(spec, defaults=False), spec.data.path) if spec else ("", None)
    backend = backend_for(cluster)
    handle = backend.submit(
        backend.plan(Inspection(name, job, storage, modules=modules, data=data, nodes=count))
    )
    click.echo(f"asking {handle.backend} {handle.id}, as a sweep would be run", err=True)
    try:
        return _answer(backend, handle)
    finally:
        _take_away(backend, handle)


def _answer(backend: Backend, handle: Handle) -> list[Examined]:
    deadline = time.monotonic() + _WAIT_SECONDS
    while not (status := backend.status(handle)).ended:
        if time.monotonic() > deadline:
            raise ClusterError(
                f"{handle.backend} {handle.id} has not run within 15 minutes: {status.message}"
            )
        time.sleep(0.5)
    log = backend.logs(handle)
    told = log.rpartition(_BEGIN)[2].partition(_END)[0].strip()
    if status.state != "done" or not told.startswith("["):
        lines = [line for line in log.strip().splitlines() if line.strip()] or [status.message or "nothing"]
        raise WorkFailedError(
            f"{handle.backend} {handle.id} could not look at the cluster; it said: {lines[-1]}"
        )
    return [_examined(raw) for raw in json.loads(told)]


def _examined(raw: dict[str, Any]) -> Examined:
    facts = raw["facts"]
    if facts is not None:
        lists = {key: tuple(facts[key]) for key in ("gpus", "busy", "problems")}
        facts = Facts(**(facts | lists))
    return Examined(raw["name"], facts, raw["offset"], raw["problem"])


def _take_away(backend: Backend, handle: Handle) -> None:
    """What the question leaves behind."""
    from cluster.submissions import forget

    backend.stop(handle)
    backend.forget(handle)
    forget(handle.storage, handle.name)


def _show(found: list[Examined], said: list[str], known: list[str], code: str, *, as_json: bool) -> None:
    if as_json:
        nodes = [asdict(each) for each in found]
        print_json({"healthy": not said, "problems": said, "notes": known, "nodes": nodes, "code": code})
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    machine = ("python", "recur", "ray", "cores", "memory", "disk", "shared", "GPUs", "clock")
    for head in ("node", *machine, *_CHECKS):
        table.add_column(head, justify="left" if head == "node" else "right", no_wrap=True)
    for each in found:
        if each.facts is not None:
            table.add_row(each.name, *_row(each.facts), f"{each.offset:+.1f} s", *_checks(each.facts))
    print_table(table)
    click.echo("")
    for sentence in said:
        click.echo(f"✗ {sentence}")
    for sentence in known:
        click.echo(f"Note: {sentence}")
    if not said:
        click.echo("nothing is to be mended")
    if code:
        click.echo(f"code of yours that will run: {code}, and no other")


def _row(facts: Facts) -> list[str]:
    return [
        facts.python,
        facts.packages.get("recur-tune", "-"),
        facts.packages.get("ray", "-"),
        str(facts.cpus),
        f"{facts.memory / _GB:.0f} GB",
        f"{facts.disk / _GB:.0f} GB",
        f"{facts.shm / _GB:.1f} GB",
        ", ".join(facts.gpus) or "-",
    ]


def _checks(facts: Facts) -> list[str]:
    words = {True: "ok", False: "✗", None: "-"}
    said = {check: words[facts.checks.get(check)] for check in _CHECKS}
    if facts.shards:
        said["data"] += f" ({facts.shards})"
    return list(said.values())


def _code(spec: Job | None) -> tuple[str, list[str]]:
    """Where the one code of the user's comes from, and what is to be said if it is nowhere."""
    if spec is None or not isinstance(spec.model, Built):
        return "", []
    build, folder = spec.model.build, Path(spec.model.folder or ".")
    installed = installed_file(build)
    files = [str(folder / file) for file in modules_of(spec)] or ([str(installed)] if installed else [])
    if files:
        return f"{build} ({', '.join(files)})", []
    return "", [
        f"model.build: {build} is neither in {folder} nor installed; put its module beside the job file"
    ]
