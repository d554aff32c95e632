"""``recur schedule``: every option; what they do is imported when it is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runner import options

if TYPE_CHECKING:
    from runner.recurring.render import Platform

_NAME = click.argument("name")
_TRUST = click.option(
    "--trust",
    is_flag=True,
    help="Execute what the storage's definitions name (model.build, commands, clusters), whoever wrote them.",
)


@click.group()
def schedule() -> None:
    """Run a job again and again, and keep the best of its models in service.

    Definitions and history live on the storage, in .schedules/. What runs them is recur schedule serve, or a
    platform's own scheduler (recur schedule render).
    """


@schedule.command()
@_NAME
@click.argument("job", type=click.Path(path_type=Path))
@click.option("--cron", required=True, metavar="EXPR", help='When it is due, such as "0 2 * * *"; or @daily.')
@click.option("--tz", "zone", default="UTC", show_default=True, help="Time zone, such as Europe/Berlin.")
@options.cluster_file("Where its sweeps run; without it, where the schedule is run.")
@options.overrides
@click.option("--replace", is_flag=True, help="Replace the schedule of that name; its history stays.")
@options.storage
@options.json
def add(**given: Any) -> None:
    """Have the JOB run whenever it is due, as schedule NAME.

    The job file is copied. Its sections schedule (overlap, missed, time_limit, retries, keep, drift), promote
    (margin, confidence) and notify say how; data.where may use {now}, {yesterday}, {last 90 days}.
    """
    from runner.recurring.manage import add_command

    add_command(**given)


@schedule.command("list")
@options.storage
@options.json
def list_(**given: Any) -> None:
    """List the schedules on the storage."""
    from runner.recurring.showing import list_command

    list_command(**given)


@schedule.command()
@_NAME
@options.storage
@options.json
def show(**given: Any) -> None:
    """Show schedule NAME: when it is due, its rules, its champion, and what happened last."""
    from runner.recurring.showing import show_command

    show_command(**given)


@schedule.command()
@_NAME
@options.storage
@options.json
def pause(**given: Any) -> None:
    """Run schedule NAME no more, until it is resumed; a run that goes on is not stopped."""
    from runner.recurring.manage import pause_command

    pause_command(**given, paused=True)


@schedule.command()
@_NAME
@options.storage
@options.json
def resume(**given: Any) -> None:
    """Run schedule NAME again, from its next time on."""
    from runner.recurring.manage import pause_command

    pause_command(**given, paused=False)


@schedule.command()
@_NAME
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.storage
@options.json
def remove(**given: Any) -> None:
    """Remove schedule NAME with its history; its sweeps stay."""
    from runner.recurring.manage import remove_command

    remove_command(**given)


@schedule.command()
@_NAME
@click.option("--last", type=click.IntRange(min=1), metavar="N", help="The last N records only.")
@options.storage
@options.json
def history(**given: Any) -> None:
    """Show what happened to schedule NAME: its runs, what was skipped and why, who was promoted."""
    from runner.recurring.showing import history_command

    history_command(**given)


@schedule.command()
@_NAME
@click.option(
    "--scheduled",
    is_flag=True,
    help="Run it only if it is due, and nobody has dealt with that: for cron and the like.",
)
@click.option(
    "--as-of", metavar="TIME", help="What {now} means in data.where, such as 2018-03-01T02:00; else now."
)
@click.option("--force", is_flag=True, help="Though nothing is new in the data.")
@_TRUST
@click.option("--trusted", hidden=True, metavar="SHA256", help="Of the files that are believed.")
@click.option("--tick", hidden=True, metavar="TIME", help="Carry out the run of that tick.")
@options.cluster
@options.storage
@options.json
def run(**given: Any) -> None:
    """Run schedule NAME now, and wait for it: its sweep, and whether that gives a new champion.

    A run that was broken off is gone on with first.
    """
    from runner.recurring.run_command import run_command

    run_command(**given)


@schedule.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to answer HTTP at.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8642,
    show_default=True,
    help="Port of /healthz and /metrics; 0 for any.",
)
@click.option(
    "--at-once",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Runs that train on this machine beside each other.",
)
@_TRUST
@options.storage
def serve(**given: Any) -> None:
    """Run every schedule of the storage when it is due, until SIGTERM or Ctrl-C.

    Several servers may look after one storage: each tick is run by one of them.
    """
    from runner.recurring.serve_command import serve_command

    serve_command(**given)


@schedule.command()
@_NAME
@click.option(
    "--to", type=click.Choice(["cron", "systemd", "kubernetes"]), required=True, help="What is to run it."
)
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Write files there, in place of printing."
)
@click.option("--system", is_flag=True, help="For systemd: units of the system's manager, not the user's.")
@click.option("--image", metavar="IMAGE", help="For kubernetes without a cluster file: one that has recur.")
@click.option("--namespace", metavar="NS", help="Likewise: where the CronJob is put.")
@click.option("--cpus", type=click.IntRange(min=1), metavar="N", help="Likewise: cores of its pod.")
@click.option("--memory", metavar="SIZE", help="Likewise: memory of its pod, such as 8Gi.")
@options.storage
def render(*, name: str, to: Platform, storage: str | None, out: Path | None, **given: Any) -> None:
    """Print what has a platform run schedule NAME: a crontab line, systemd units, Kubernetes manifests."""
    from runner.recurring.render import Options, render_command

    render_command(name=name, to=to, storage=storage, out=out, options=Options(**given))
