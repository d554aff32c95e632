"""``recur schedule run``: one run now, or the one that is due; waited for."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import click

from cluster.errors import ClusterError
from cluster.lease import LeaseTakenError
from cluster.scheduledocs import Record, Run
from jobs.moving import written
from runner.errors import WorkFailedError
from runner.launch import warn
from runner.recurring.agenda import PLATFORMS
from runner.recurring.desk import Desk
from runner.recurring.manage import desk_of
from runner.recurring.running import Runner
from runner.recurring.sweeping import Where
from runner.run import parse_workers
from runner.show import print_json

_OVER = {"promoted", "kept", "skipped", "failed", "replaced"}  # events that say what came of a run


@dataclass(frozen=True)
class Asked:
    """Which run is asked for: the one of a ``tick``, one that is due (``scheduled``), or one of now."""

    scheduled: bool
    tick: dt.datetime | None
    as_of: str | None


def run_command(
    *,
    name: str,
    scheduled: bool,
    as_of: str | None,
    force: bool,
    trust: bool,
    trusted: str | None,
    tick: str | None,
    workers: str,
    address: str | None,
    storage: str | None,
    as_json: bool,
) -> None:
    """Carry out ``recur schedule run``.

    Raises:
        JobError, ClusterError: there is no such schedule, a run of it goes on, or it cannot be used.
        WorkFailedError: the run came to nothing.
        Interrupted, KeyboardInterrupt: a signal came.
    """
    desk = desk_of(name, storage)
    asked = Asked(scheduled, dt.datetime.fromisoformat(tick) if tick else None, _as_of(desk, as_of))
    run = _chosen(desk, asked)
    if run is None:
        warn(f"{name} is not due, or its run goes on elsewhere; nothing was run")
        if as_json:
            print_json({"schedule": name, "event": None})
        return
    kept = scheduled or tick is not None
    where = Where(parse_workers(workers), address)
    runner = Runner(desk, where, "all" if trust else trusted, force=force, kept=kept)
    try:
        records = runner.carry_on()
    except LeaseTakenError:
        if tick is not None:
            return  # another process was faster
        raise
    _say(name, run, records, as_json=as_json)


def _as_of(desk: Desk, given: str | None) -> str | None:
    """A moment that was typed; without an offset it is by the clocks of the schedule's zone."""
    if given is None:
        return None
    try:
        if dt.datetime.fromisoformat(given).tzinfo is None:
            given = f"{given}[{desk.folder.definition().zone}]"
        return written(given)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--as-of") from None


def _chosen(desk: Desk, asked: Asked) -> Run | None:
    """The run to carry out; None where there is nothing to do.

    Raises:
        LeaseTakenError: one is asked for now, and another goes on.
        ClusterError: one is asked for of another time than one that was broken off.
    """
    if asked.tick is not None:
        run = desk.state(desk.folder.definition()).run
        return run if run is not None and run.tick == asked.tick else None
    with desk.deciding(on_time=PLATFORMS) as agenda:
        if asked.scheduled:
            due = agenda.settle().run
            return due if due is None or desk.runner() is None else None
        before = agenda.state.run
        if before is None:
            return agenda.begin(agenda.now.replace(microsecond=0), manual=True, as_of=asked.as_of)
        with desk.running():  # else somebody does
            pass
        if asked.as_of is not None:
            raise ClusterError(
                f"--as-of: {before.sweep} was broken off and is not of that time; go on with it first: "
                f"recur schedule run {desk.name}"
            )
        warn(f"going on with {before.sweep}, which was broken off")
        return before


def _say(name: str, run: Run, records: list[Record], *, as_json: bool) -> None:
    """What came of it; the last word is the decision's."""
    over = next((record for record in reversed(records) if record.event in _OVER), None)
    if as_json and over is not None:
        print_json({"schedule": name} | over.to_json())
    if over is None:
        return
    if over.event == "failed":
        raise WorkFailedError(over.reason)
    if not as_json:
        click.echo(f"{run.sweep}: {over.event}: {over.reason}\n\nNext:")
        click.echo(f"  recur champion {name}\n  recur schedule history {name}")
