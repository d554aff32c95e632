"""The ``recur`` command: every option, and the one place that decides exit codes.

Nothing heavy is imported here: each command imports what it needs, so that ``recur --help`` is instant.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from cluster.errors import ClusterError, StorageAwayError
from cluster.references import take_up, withheld_output
from jobs.errors import JobError
from runner import options
from runner.data_commands import data
from runner.errors import Interrupted, WorkFailedError
from runner.recurring.commands import schedule

_EPILOG = "Exit codes: 0 done, 1 the work failed, 2 wrong usage, spec or data, 130 interrupted."


@click.group(
    epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(package_name="recur-tune", prog_name="recur")
def cli() -> None:
    """Tune recurrent forecasters: search SimpleRNN, LSTM and GRU networks for time series in Parquet shards.

    Begin with:  recur data sample --out demo && recur run demo/job.yaml
    """


@cli.command()
@options.job
@options.storage
@click.option("--fresh", is_flag=True, help="Replace the sweep of that name instead of resuming it.")
@options.cluster
@click.option("--dry-run", is_flag=True, help="Check everything and show what would run; write nothing.")
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    help="How long to wait for another process that runs the sweep to end, or to be found dead; this one "
    "heeds a request to stop that it did not hear.",
)
@click.option("--submitted", hidden=True, metavar="SHA256", help="The job file's, as it was submitted.")
@options.json
def run(**given: Any) -> None:
    """Run the sweep of a JOB file here and wait for it.

    Run again, it resumes an unfinished sweep of that name; a finished one is left as it is. Ctrl-C stops
    cleanly and keeps what was found.
    """
    from runner.run import run_command

    run_command(**given, held=click.get_current_context().obj)


@cli.command()
@options.job
@options.storage
@options.cluster_file("Where to run; without it a detached process of this machine.")
@click.option("--dry-run", is_flag=True, help="Show what would be submitted.")
@options.json
def submit(**given: Any) -> None:
    """Hand the sweep of a JOB file to a detached process or a cluster, and return at once."""
    from runner.submit import submit_command

    submit_command(**given)


@cli.command()
@click.argument("sweep")
@options.storage
@options.cluster
@options.submitted_to
@click.option("--here", is_flag=True, help="Go on here, wherever it was submitted to.")
@options.json
def resume(**given: Any) -> None:
    """Go on with an unfinished SWEEP.

    One that was submitted is submitted again, to the same cluster or to that of --cluster. Any other is run
    here and waited for, as running its job again does.
    """
    from runner.going_on import resume_command

    resume_command(**given)


@cli.command()
@click.argument("sweep")
@options.storage
@options.cluster
@click.option("--trials", required=True, metavar="+N", help="How many more.")
@options.json
def extend(**given: Any) -> None:
    """Run more trials in a finished or stopped SWEEP, with all that it has learnt."""
    from runner.going_on import extend_command

    extend_command(**given)


@cli.command()
@click.argument("sweep")
@options.storage
@options.cluster
@options.json
def retry(**given: Any) -> None:
    """Run the failed trials of a SWEEP once more, from their beginning, and no others."""
    from runner.going_on import retry_command

    retry_command(**given)


@cli.command()
@click.argument("sweep")
@options.storage
@options.submitted_to
@click.option("--now", is_flag=True, help="Save what runs and leave at once, instead of after its rung.")
@options.json
def stop(**given: Any) -> None:
    """Stop a SWEEP that runs, here or elsewhere: nothing new begins, what runs comes to its rung.

    One that was submitted and waits is taken back. What was found is kept; `recur resume` goes on.
    """
    from runner.stop import stop_command

    stop_command(**given)


@cli.command()
@click.argument("sweep")
@options.storage
@click.option("--top", type=click.IntRange(min=1), metavar="K", help="The K best trials.")
@options.json
def best(**given: Any) -> None:
    """Show the best trial: its hyperparameters, score and checkpoint.

    With --top and --json it prints a list. SWEEP is a name, a folder or a URI.
    """
    from runner.reading import best_command

    best_command(**given)


@cli.command()
@click.argument("sweep")
@options.storage
@click.option("--out", metavar="FILE", help="Write the table to a .csv or .parquet file.")
@click.option(
    "--rebuild",
    is_flag=True,
    help="First make trials.parquet, and whatever else follows from the journal, anew from it alone.",
)
@options.json
def trials(**given: Any) -> None:
    """Show every trial of a SWEEP: a name, a folder or a URI."""
    from runner.reading import trials_command

    trials_command(**given)


@cli.command()
@click.argument("sweep")
@options.storage
@options.submitted_to
@options.json
def status(**given: Any) -> None:
    """Show how far a SWEEP is: a name, a folder or a URI."""
    from runner.reading import status_command

    status_command(**given)


@cli.command()
@click.argument("sweep")
@options.storage
@options.submitted_to
@click.option("--trial", metavar="ID", help="What this trial has printed, in place of the sweep's own log.")
@click.option("-f", "--follow", is_flag=True, help="Go on printing what comes until it ends.")
@options.json
def logs(**given: Any) -> None:
    """Show what a submitted SWEEP has printed: a name, a folder or a URI."""
    from runner.logs import logs_command

    logs_command(**given)


@cli.command("list")
@options.storage
@options.json
def list_(**given: Any) -> None:
    """List the sweeps on the storage."""
    from runner.reading import list_command

    list_command(**given)


@cli.command()
@click.argument("sweep")
@options.storage
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.json
def remove(**given: Any) -> None:
    """Delete a SWEEP (a name, a folder or a URI) with its trials and checkpoints."""
    from runner.reading import remove_command

    remove_command(**given)


@cli.command()
@click.argument("sweep")
@options.storage
@click.option(
    "--data", "source", required=True, metavar="D", help="Parquet shards with the history to forecast from."
)
@click.option(
    "--future", metavar="D", help="Shards of the future covariates, for the steps after the end of the data."
)
@click.option("--out", required=True, metavar="F.parquet", help="Where the forecasts go.")
@options.json
def predict(**given: Any) -> None:
    """Forecast what follows new data, from the best checkpoint of a SWEEP (a name, a folder or a URI).

    The data has the columns of the job; what is forecast is the horizon after the end of every series.
    """
    from runner.predict import predict_command

    predict_command(**given)


@cli.command()
@click.argument("job", type=click.Path(path_type=Path), required=False)
@options.storage
@options.cluster_file("Where a sweep is to run.")
@click.option("--address", metavar="ADDR", help="A Ray cluster (host:port or auto).")
@click.option(
    "--nodes", type=click.IntRange(min=1), default=1, metavar="N", help="Nodes that there should be."
)
@click.option("--raw", is_flag=True, hidden=True, help="Print what each node said, for who asked from afar.")
@options.json
def doctor(**given: Any) -> None:
    """Look for what is wrong where a sweep is to run: here, or on every node of a cluster.

    It compares versions and clocks, writes to the storage and reads it back, reads the data of JOB, and looks
    at GPUs, disks, shared memory, ports and the token. Exit code 1 where something is to be mended.
    """
    from runner.doctor import doctor_command

    doctor_command(**given)


@cli.command()
@click.argument("name")
@options.storage
@options.json
def champion(**given: Any) -> None:
    """Show the model in service under a schedule's NAME: its sweep, checkpoint, scores and since when."""
    from runner.recurring.champion_commands import champion_command

    champion_command(**given)


@cli.command()
@click.argument("name")
@click.option("--sweep", metavar="S", help="The sweep whose published model is to be in service.")
@click.option("--rollback", "back", is_flag=True, help="Go back to the champion before this one.")
@click.option("--why", metavar="TEXT", help="The reason, for the schedule's history.")
@options.storage
@options.json
def promote(**given: Any) -> None:
    """Put a sweep's published model into service under a schedule's NAME, or the one before it again.

    Nothing is compared. Who did it, when and why stands in the schedule's history.
    """
    from runner.recurring.champion_commands import promote_command

    promote_command(**given)


@cli.command(hidden=True)
@click.argument("sweep", required=False)
@click.option("--seconds", type=click.FloatRange(min=0), required=True, help="How long it may take at most.")
def farewell(sweep: str | None, seconds: float) -> None:
    """Have a SWEEP whose driver runs on this machine save and leave; without one wait for what trains here.

    Kubernetes is told to call it before it ends a pod.
    """
    from cluster.farewell import end_driver, wait_for_actors

    if sweep is None:
        wait_for_actors(seconds)
    else:
        end_driver(sweep, seconds)


cli.add_command(data)
cli.add_command(schedule)


def main() -> None:
    """Run the command line and exit with its code; SIGTERM ends it as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(_with_secrets() or exit_code())


def _with_secrets() -> int:
    """Take up the secrets that have travelled by reference; 0, or the code to exit with."""
    try:
        take_up()
    except ClusterError as error:
        return _say(f"Error: {error}", 2)
    return 0


def exit_code(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (None: the process's own) and say with which code to exit; show no secret."""
    with withheld_output(), ExitStack() as held:
        return _run(arguments, held)


def _run(arguments: Sequence[str] | None, held: ExitStack) -> int:
    """The same; ``held`` is what a command wants to be closed after its last word."""
    try:
        stopped = cli.main(arguments, standalone_mode=False, obj=held)
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        hint = f" See: {context.command_path} --help" if context else ""
        return _say(f"Error: {error.format_message()}{hint}", 2)
    except (WorkFailedError, StorageAwayError) as error:
        return _say(f"Failed: {error}", 1)
    except (JobError, ClusterError) as error:
        return _say(f"Error: {error}", 2)
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
