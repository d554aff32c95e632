"""``recur schedule list``, ``show`` and ``history``."""

from __future__ import annotations

import datetime as dt
from typing import Any

import click

from cluster.calendar import Calendar
from cluster.errors import ClusterError
from cluster.scheduledocs import Definition, Record
from cluster.schedules import ScheduleFolder, schedules
from jobs.errors import JobError
from runner.launch import open_storage, warn
from runner.recurring.champion import settle_record
from runner.recurring.desk import Desk, now
from runner.recurring.manage import desk_of
from runner.recurring.pointer import read_champion
from runner.show import print_json, print_table

_NEXT = 5  # times that are shown
_LATEST = 8  # records


def list_command(*, storage: str | None, as_json: bool) -> None:
    """Carry out ``recur schedule list``."""
    place = open_storage(storage)
    if storage is not None and not place.exists():
        raise ClusterError(f"storage {place.uri} does not exist")
    found = [_facts(Desk(ScheduleFolder.of(place, name))) for name in schedules(place)]
    if as_json:
        print_json(found)
        return
    if not found:
        click.echo(f"no schedules in {place.uri}")
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("schedule", "cron", "tz", "state", "next", "champion"):
        table.add_column(head, no_wrap=True)
    for each in found:
        table.add_row(
            *(str(each.get(key) or "-") for key in ("schedule", "cron", "tz", "state")), *_ends(each)
        )
    print_table(table)


def _ends(facts: dict[str, Any]) -> tuple[str, str]:
    """The last two columns: when it is due in its own zone, and its champion."""
    due = facts.get("next")
    if due is None:
        return "-", facts.get("champion") or "-"
    shown = Calendar(facts["cron"], facts["tz"]).shown(dt.datetime.fromisoformat(due[0]))
    return shown, facts.get("champion") or "-"


def _facts(desk: Desk) -> dict[str, Any]:
    """A schedule in a few facts; one that is damaged in a word."""
    try:
        definition = desk.folder.definition()
        champion, state = read_champion(desk.folder), desk.state(definition)
    except (ClusterError, JobError) as error:
        warn(str(error))
        return {"schedule": desk.name, "state": "damaged"}
    runner = desk.runner() if state.run else None
    going = (
        "running" if runner else "broken off" if state.run else "paused" if definition.paused else "waiting"
    )
    return {
        "schedule": desk.name,
        "cron": definition.cron,
        "tz": definition.zone,
        "state": going,
        "next": None if definition.paused else _next(definition),
        "champion": champion.sweep if champion else None,
        "run": state.run.sweep if state.run else None,
        "runner": runner,
        "waiting": state.waiting.isoformat() if state.waiting else None,
        "settled": state.settled.isoformat(),
    }


def _next(definition: Definition) -> list[str]:
    times = definition.calendar.next(max(now(), definition.since), _NEXT)
    return [time.isoformat() for time in times]


def show_command(*, name: str, storage: str | None, as_json: bool) -> None:
    """Carry out ``recur schedule show``.

    Raises:
        JobError, ClusterError: there is no such schedule, or a file of it is damaged.
    """
    desk = desk_of(name, storage)
    definition = desk.folder.definition()
    facts = _facts(desk) | {
        "added": definition.added.isoformat(),
        "by": definition.by,
        "job": desk.folder.inside(desk.folder.JOB),
        "cluster": desk.folder.exists(desk.folder.CLUSTER),
        "rules": desk.job().schedule.model_dump(mode="json"),
        "promote": desk.job().promote.model_dump(mode="json"),
    }
    records, damaged = _history(desk)
    if as_json:
        print_json(facts | {"history": [record.to_json() for record in records[-_LATEST:]]})
        return
    click.echo(f'{name}: "{definition.cron}" {definition.zone}, {facts["state"]}')
    click.echo(f"added by {definition.by} at {definition.calendar.shown(definition.added)}")
    click.echo(f"job {facts['job']}")
    going = f"run {facts['run']}" + (f" ({facts['runner']})" if facts["runner"] else "")
    click.echo(going if facts["run"] else f"champion {facts['champion'] or 'none yet'}")
    for time in facts["next"] or []:
        click.echo(f"  {definition.calendar.shown(dt.datetime.fromisoformat(time))}")
    _print_rules(facts)
    _print_records(definition, records[-_LATEST:])
    for each in damaged:
        warn(each)


def _print_rules(facts: dict[str, Any]) -> None:
    flat = {f"schedule.{key}": value for key, value in facts["rules"].items() if key != "drift"}
    flat |= {f"schedule.drift.{key}": value for key, value in facts["rules"]["drift"].items()}
    flat |= {f"promote.{key}": value for key, value in facts["promote"].items()}
    click.echo("\n" + "\n".join(f"{key:26} {'-' if value is None else value}" for key, value in flat.items()))


def history_command(*, name: str, storage: str | None, last: int | None, as_json: bool) -> None:
    """Carry out ``recur schedule history``.

    Raises:
        ClusterError: there is no such schedule, or its history cannot be read.
    """
    desk = desk_of(name, storage)
    records, damaged = _history(desk)
    records = records[-last:] if last else records
    for each in damaged:
        warn(each)
    if as_json:
        print_json([record.to_json() for record in records])
    elif records:
        _print_records(desk.folder.definition(), records)
    else:
        click.echo(f"nothing has happened to {name} yet")


def _history(desk: Desk) -> tuple[list[Record], list[str]]:
    settle_record(desk.folder)  # of a promotion whose process died before it wrote that down
    return desk.folder.history()


def _print_records(definition: Definition, records: list[Record]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("when", "event", "tick"):
        table.add_column(head, no_wrap=True)
    table.add_column("what")
    zone = definition.calendar.tz
    for record in records:
        tick = f"{record.tick.astimezone(zone):%m-%d %H:%M}" if record.tick else ""
        table.add_row(f"{record.time.astimezone(zone):%Y-%m-%d %H:%M:%S}", record.event, tick, _said(record))
    click.echo("")
    print_table(table)


def _said(record: Record) -> str:
    """What a record says: its reason, or the sweep that it is about."""
    many = f" ({record.more['ticks']} times since {record.more['first']})" if "first" in record.more else ""
    return (record.reason or record.sweep or record.by) + many
