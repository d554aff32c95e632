"""``recur schedule add``, ``pause``, ``resume`` and ``remove``."""

from __future__ import annotations

import datetime as dt
import sys
from dataclasses import replace
from pathlib import Path

import click
import yaml

from cluster.calendar import Calendar
from cluster.clusterfile import load_cluster
from cluster.errors import ClusterError
from cluster.scheduledocs import Definition, Record, State, whoever
from cluster.schedules import ScheduleFolder
from jobs.jobfile import dump_job
from runner.launch import open_storage, read_job
from runner.recurring import trust
from runner.recurring.agenda import Agenda
from runner.recurring.desk import Desk, now
from runner.show import print_json

_NEXT = 5  # times that are shown


def desk_of(name: str, storage: str | None) -> Desk:
    """The schedule of that name.

    Raises:
        ClusterError: there is none.
    """
    return Desk(ScheduleFolder.find(open_storage(storage), name))


def add_command(
    *,
    name: str,
    job: Path,
    cron: str,
    zone: str,
    cluster_file: Path | None,
    overrides: tuple[str, ...],
    replace: bool,
    storage: str | None,
    as_json: bool,
) -> None:
    """Carry out ``recur schedule add``.

    Raises:
        JobError, ClusterError: something given cannot be used, or there is such a schedule already.
    """
    calendar = Calendar.parse(cron, zone)
    spec = read_job(job, overrides, name=None, trials=None)
    cluster = b""
    if cluster_file is not None:
        document = load_cluster(cluster_file).model_dump(mode="json", exclude_unset=True)
        cluster = yaml.safe_dump(document, sort_keys=False, allow_unicode=True).encode()
    folder = ScheduleFolder.of(open_storage(storage, spec), name)
    text = dump_job(spec, defaults=False).encode()
    moment = now().replace(microsecond=0)
    definition = Definition(calendar.cron, zone, moment, moment, whoever())
    desk = Desk(folder)
    if folder.exists(folder.DEFINITION):
        if not replace:
            raise ClusterError(
                f"schedule {name} is on {folder.storage.uri} already; choose another name, or change it with "
                "--replace"
            )
        with desk.deciding() as agenda:
            _check_free(desk, agenda)
            _put(folder, definition, text, cluster)
            agenda.state = _anew(agenda, moment)
        desk.record("changed", f"{calendar.cron} {zone}")
    else:
        folder.storage.check_writable()
        _put(folder, definition, text, cluster)
        desk.record("added", f"{calendar.cron} {zone}")
    trust.believe(folder, folder.digest())
    _say_added(desk, definition, as_json=as_json)


def _put(folder: ScheduleFolder, definition: Definition, job: bytes, cluster: bytes) -> None:
    """The definition comes last: without it there is no schedule."""
    folder.write(folder.JOB, job)
    if cluster:
        folder.write(folder.CLUSTER, cluster)
    else:
        folder.delete(folder.CLUSTER)
    folder.define(definition)


def _check_free(desk: Desk, agenda: Agenda) -> None:
    """See that no run of it goes on; one that was broken off is given up.

    Raises:
        ClusterError: one does.
    """
    run, runner = agenda.state.run, desk.runner()
    if run is None:
        return
    if runner is not None:
        raise ClusterError(
            f"the run of schedule {desk.name} goes on ({runner}); wait for it, or stop it with "
            f"recur stop {run.sweep}"
        )
    agenda.fail("it was broken off, and its schedule was changed or removed before anybody went on with it")


def _anew(agenda: Agenda, moment: dt.datetime) -> State:
    """Nothing before that moment counts any more."""
    return replace(agenda.state, settled=moment, waiting=None, clock_back=False)


def _say_added(desk: Desk, definition: Definition, *, as_json: bool) -> None:
    times = definition.calendar.next(definition.since, _NEXT)
    if as_json:
        print_json(
            {
                "schedule": desk.name,
                "cron": definition.cron,
                "tz": definition.zone,
                "next": [time.isoformat() for time in times],
                "folder": desk.folder.uri,
            }
        )
        return
    shown = "\n".join(f"  {definition.calendar.shown(time)}" for time in times)
    click.echo(
        f'{desk.name}: "{definition.cron}" {definition.zone}, due at\n{shown}\n\nNext:\n'
        f"  recur schedule run {desk.name}\n"
        f"  recur schedule serve\n"
        f"  recur schedule render {desk.name} --to cron"
    )


def pause_command(*, name: str, storage: str | None, paused: bool, as_json: bool) -> None:
    """Carry out ``recur schedule pause`` and ``resume``.

    Raises:
        ClusterError: there is no such schedule, or its storage cannot be written.
    """
    desk = desk_of(name, storage)
    with desk.deciding() as agenda:
        moment = agenda.now.replace(microsecond=0)
        agenda.settle()
        if not paused:  # also where a wrong clock has settled what is still to come
            agenda.state = replace(agenda.state, settled=moment, clock_back=False)
        agenda.definition = replace(agenda.definition, paused=paused, since=moment)
        desk.folder.define(agenda.definition)
        event = "paused" if paused else "unpaused"
        agenda.state = agenda.state.with_records(Record(agenda.now, event, whoever()))
    definition = agenda.definition
    due = None if paused else definition.calendar.next(moment, 1)[0]
    if as_json:
        print_json({"schedule": name, "paused": paused, "next": due.isoformat() if due else None})
    elif due is None:
        click.echo(f"{name}: paused; recur schedule resume {name} has it run again")
    else:
        click.echo(f"{name}: due next at {definition.calendar.shown(due)}")


def remove_command(*, name: str, storage: str | None, yes: bool, as_json: bool) -> None:
    """Carry out ``recur schedule remove``.

    Raises:
        ClusterError: there is no such schedule, or a run of it goes on.
    """
    desk = desk_of(name, storage)
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("remove asks before it deletes, and nobody is there to answer: give --yes")
        if not click.confirm(f"Remove schedule {name} with its history and its champion?", err=True):
            click.echo("Nothing was removed.", err=True)
            return
    with desk.deciding() as agenda:
        _check_free(desk, agenda)
        desk.folder.delete(desk.folder.DEFINITION)
    desk.folder.remove()
    trust.forget(desk.folder)
    print_json({"removed": desk.folder.uri}) if as_json else click.echo(f"removed {desk.folder.uri}")
