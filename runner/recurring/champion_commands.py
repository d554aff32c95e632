"""``recur champion`` and ``recur promote``: what a schedule's name points to."""

from __future__ import annotations

import json

import click

from cluster.errors import ClusterError, StorageAwayError
from cluster.scheduledocs import whoever
from cluster.schedules import ScheduleFolder
from cluster.storage import SweepFolder
from jobs.names import NAME
from runner.errors import WorkFailedError
from runner.launch import no_such_sweep, open_storage, read_spec, warn
from runner.publish import read_best
from runner.recurring.champion import crown, rollback
from runner.recurring.likeness import outputs, unlike
from runner.recurring.pointer import Champion, read_champion
from runner.show import print_json

_BY_HAND = "by hand"


def champion_command(*, name: str, storage: str | None, as_json: bool) -> None:
    """Carry out ``recur champion``.

    Raises:
        ClusterError: there is no such schedule, or its pointer is damaged.
        WorkFailedError: it has no champion yet.
    """
    folder = _schedule(name, storage)
    found = read_champion(folder)
    if found is None:
        raise WorkFailedError(
            f"schedule {name} has no champion yet: the first of its runs whose model is better than the "
            f"seasonal naive forecast makes one, or type: recur promote {name} --sweep SWEEP"
        )
    _show(folder, found, as_json=as_json)


def promote_command(
    *, name: str, sweep: str | None, back: bool, why: str | None, storage: str | None, as_json: bool
) -> None:
    """Carry out ``recur promote``.

    Raises:
        ClusterError: there is no such schedule or sweep, the sweep's model is not whole or forecasts other
            things than the champion, or there is nothing to roll back to.
    """
    if (sweep is None) != back:
        raise click.UsageError("say which model: --sweep S, or --rollback for the champion before this one")
    folder = _schedule(name, storage)
    if sweep is None:
        found = rollback(folder, by=whoever(), why=why or _BY_HAND)
    else:
        found = _promoted(folder, sweep, why or _BY_HAND)
    _show(folder, found, as_json=as_json)


def _schedule(name: str, storage: str | None) -> ScheduleFolder:
    """The schedule's folder; of one that is half removed, too, as long as it has a champion."""
    place = open_storage(storage)
    folder = ScheduleFolder.of(place, name)
    return folder if folder.exists(folder.CHAMPION) else ScheduleFolder.find(place, name)


def _promoted(folder: ScheduleFolder, sweep: str, why: str) -> Champion:
    found = folder.storage.sweep(sweep)
    if not NAME.fullmatch(sweep) or not found.exists():
        raise no_such_sweep(sweep, folder.storage.uri)
    _check_alike(folder, found)
    metrics = json.loads(read_best(found, "metrics.json"))
    scores = {"model": metrics.get("test"), "seasonal_naive": metrics.get("seasonal_naive")}
    return crown(folder, found, read_spec(found), scores=scores, why=why, by=whoever())


def _check_alike(folder: ScheduleFolder, sweep: SweepFolder) -> None:
    """See that whoever reads the champion's forecasts can read those of a sweep's model.

    Raises:
        ClusterError: it forecasts something else, or nothing is published.
    """
    now = read_champion(folder)
    new = json.loads(read_best(sweep, "signature.json"))
    if now is None:
        return
    try:
        old = json.loads(read_best(folder.storage.sweep(now.sweep), "signature.json"))
    except StorageAwayError:
        raise
    except ClusterError:
        return  # it is what is to be replaced
    said = "; ".join(unlike(outputs(new), outputs(old), "the champion's"))
    if said:
        raise ClusterError(
            f"sweep {sweep.name} does not forecast what sweep {now.sweep}, the champion of schedule "
            f"{folder.schedule}, does: {said}; add another schedule for it"
        )


def _show(folder: ScheduleFolder, found: Champion, *, as_json: bool) -> None:
    problem = values = None
    try:
        values = json.loads(read_best(found.check(folder.storage), "hyperparameters.json"))
    except StorageAwayError:
        raise
    except ClusterError as error:
        problem = str(error)
        warn(problem)
    if as_json:
        more = {"schedule": folder.schedule, "hyperparameters": values, "problem": problem}
        print_json(found.to_json() | more)
        return
    click.echo(f"sweep       {found.sweep}, epoch {found.epoch:g} of trial {found.trial_id}")
    click.echo(f"checkpoint  {found.checkpoint}")
    click.echo(f"since       {found.since:%Y-%m-%d %H:%M:%S} UTC, by {found.by}: {found.why}")
    for name, scores in found.scores.items():
        known = {} if scores is None else {key: value for key, value in scores.items() if value is not None}
        shown = ", ".join(f"{key} {value:.4g}" for key, value in known.items())
        click.echo(f"{name.replace('_', ' '):15} {shown or 'not scored'}")
    if found.previous is not None:
        click.echo(
            f"before      {found.previous.sweep}; back to it: recur promote {folder.schedule} --rollback"
        )
