"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def storage(command: Command) -> Command:
    """Where the sweep is."""
    return click.option(
        "--storage",
        metavar="URI",
        help="Where sweeps are kept: a path or s3://, gs:// URI. "
        "Default: $RECUR_STORAGE, the job's storage, ./sweeps.",
    )(command)


def json(command: Command) -> Command:
    """Print JSON."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")(
        command
    )


def cluster(command: Command) -> Command:
    """Where a sweep runs, and how much of it at a time."""
    address = click.option(
        "--address", metavar="ADDR", help="Run in this Ray cluster (host:port or auto) instead of here."
    )
    workers = click.option(
        "--workers", metavar="N", default="auto", help="Trials at a time; auto: one for every core."
    )
    return workers(address(command))


def cluster_file(meaning: str) -> Callable[[Command], Command]:
    """A cluster file, of which the help says the ``meaning``."""
    return click.option(
        "--cluster", "cluster_file", type=click.Path(path_type=Path), metavar="FILE", help=meaning
    )


def submitted_to(command: Command) -> Command:
    """The cluster file of a sweep that was submitted."""
    return cluster_file("The cluster file it was submitted with, where this machine does not know that.")(
        command
    )


def overrides(command: Command) -> Command:
    """What is to be changed in a job file."""
    return click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="a.b=value",
        help="Change a field of the job file; may be repeated.",
    )(command)


def job(command: Command) -> Command:
    """A job file, and what is to be changed in it."""
    for option in (
        click.option(
            "--trials", type=click.IntRange(min=1), metavar="N", help="Trials to run, for search.trials."
        ),
        overrides,
        click.option("--name", metavar="N", help="The sweep's name, in place of the job's."),
        click.argument("job", type=click.Path(path_type=Path)),
    ):
        command = option(command)
    return command
