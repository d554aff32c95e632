"""The ``recur`` command: every option, and the one place that decides exit codes.

Nothing heavy is imported here: each command imports what it needs, so that ``recur --help`` is instant.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from cluster.errors import ClusterError
from jobs.errors import JobError
from runner.data_commands import data
from runner.errors import Interrupted, WorkFailedError

Command = TypeVar("Command", bound=Callable[..., Any])

_EPILOG = "Exit codes: 0 done, 1 the work failed, 2 wrong usage, spec or data, 130 interrupted."


def _storage(command: Command) -> Command:
    return click.option(
        "--storage",
        metavar="URI",
        help="Where sweeps are kept: a path or s3://, gs:// URI. "
        "Default: $RECUR_STORAGE, the job's storage, ./sweeps.",
    )(command)


def _json(command: Command) -> Command:
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")(
        command
    )


def _job(command: Command) -> Command:
    for option in (
        click.option(
            "--trials", type=click.IntRange(min=1), metavar="N", help="Trials to run, for search.trials."
        ),
        click.option(
            "--set",
            "overrides",
            multiple=True,
            metavar="a.b=value",
            help="Change a field of the job file; may be repeated.",
        ),
        click.option("--name", metavar="N", help="The sweep's name, in place of the job's."),
        click.argument("job", type=click.Path(path_type=Path)),
    ):
        command = option(command)
    return command


@click.group(
    epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(package_name="recur-tune", prog_name="recur")
def cli() -> None:
    """Tune recurrent forecasters: search SimpleRNN, LSTM and GRU networks for time series in Parquet shards.

    Begin with:  recur data sample --out demo && recur run demo/job.yaml
    """


@cli.command()
@_job
@_storage
@click.option("--fresh", is_flag=True, help="Replace the sweep of that name instead of resuming it.")
@click.option("--workers", metavar="N", default="auto", help="Trials at a time; auto: one for every core.")
@click.option(
    "--address", metavar="ADDR", help="Run in this Ray cluster (host:port or auto) instead of here."
)
@click.option("--dry-run", is_flag=True, help="Check everything and show what would run; write nothing.")
@_json
def run(**options: Any) -> None:
    """Run the sweep of a JOB file here and wait for it.

    Run again, it resumes an unfinished sweep of that name; a finished one is left as it is. Ctrl-C stops
    cleanly and keeps what was found.
    """
    from runner.run import run_command

    run_command(**options)


@cli.command()
@_job
@_storage
@click.option(
    "--cluster",
    "cluster_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where to run; without it a detached process of this machine.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be submitted.")
@_json
def submit(**options: Any) -> None:
    """Hand the sweep of a JOB file to a detached process or a cluster, and return at once."""
    from runner.submit import submit_command

    submit_command(**options)


@cli.command()
@click.argument("sweep")
@_storage
@click.option("--top", type=click.IntRange(min=1), metavar="K", help="The K best trials.")
@_json
def best(**options: Any) -> None:
    """Show the best trial: its hyperparameters, score and checkpoint.

    With --top and --json it prints a list. SWEEP is a name, a folder or a URI.
    """
    from runner.reading import best_command

    best_command(**options)


@cli.command()
@click.argument("sweep")
@_storage
@click.option("--out", metavar="FILE", help="Write the table to a .csv or .parquet file.")
@click.option(
    "--rebuild",
    is_flag=True,
    help="First make trials.parquet, and whatever else follows from the journal, anew from it alone.",
)
@_json
def trials(**options: Any) -> None:
    """Show every trial of a SWEEP: a name, a folder or a URI."""
    from runner.reading import trials_command

    trials_command(**options)


@cli.command()
@click.argument("sweep")
@_storage
@_json
def status(**options: Any) -> None:
    """Show how far a SWEEP is: a name, a folder or a URI."""
    from runner.reading import status_command

    status_command(**options)


@cli.command("list")
@_storage
@_json
def list_(**options: Any) -> None:
    """List the sweeps on the storage."""
    from runner.reading import list_command

    list_command(**options)


@cli.command()
@click.argument("sweep")
@_storage
@click.option("--yes", is_flag=True, help="Do not ask.")
@_json
def remove(**options: Any) -> None:
    """Delete a SWEEP (a name, a folder or a URI) with its trials and checkpoints."""
    from runner.reading import remove_command

    remove_command(**options)


@cli.command()
@click.argument("sweep")
@_storage
@click.option(
    "--data", "source", required=True, metavar="D", help="Parquet shards with the history to forecast from."
)
@click.option(
    "--future", metavar="D", help="Shards of the future covariates, for the steps after the end of the data."
)
@click.option("--out", required=True, metavar="F.parquet", help="Where the forecasts go.")
@_json
def predict(**options: Any) -> None:
    """Forecast what follows new data, from the best checkpoint of a SWEEP (a name, a folder or a URI).

    The data has the columns of the job; what is forecast is the horizon after the end of every series.
    """
    from runner.predict import predict_command

    predict_command(**options)


cli.add_command(data)


def main() -> None:
    """Run the command line and exit with its code; SIGTERM ends it as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(exit_code())


def exit_code(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (None: the process's own) and say with which code to exit."""
    try:
        stopped = cli.main(arguments, standalone_mode=False)
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        hint = f" See: {context.command_path} --help" if context else ""
        return _say(f"Error: {error.format_message()}{hint}", 2)
    except (JobError, ClusterError) as error:
        return _say(f"Error: {error}", 2)
    except WorkFailedError as error:
        return _say(f"Failed: {error}", 1)
    except Interrupted as stop:
        return _say(f"Stopped. {stop}", 130)
    except (KeyboardInterrupt, click.Abort):
        return _say("Stopped.", 130)
    return stopped if isinstance(stopped, int) else 0  # --help and --version return their code


def _say(sentence: str, code: int) -> int:
    click.echo(sentence, err=True)
    return code


if __name__ == "__main__":
    main()
