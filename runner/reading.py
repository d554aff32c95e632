"""Commands that read a sweep: ``best``, ``trials``, ``status``, ``list``; and ``remove``."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import click

from cluster.errors import ClusterError
from cluster.lease import lease_holder
from cluster.storage import Storage, SweepFolder
from jobs.errors import JobError
from jobs.names import NAME
from runner.errors import WorkFailedError
from runner.launch import find_sweep, open_storage, read_results, read_spec, warn
from runner.results import Results
from runner.show import (
    best_json,
    clock,
    differing,
    number,
    print_best,
    print_json,
    print_status,
    print_trials,
    status_json,
    value,
)
from runner.submitted import Known, find_known, latest_submission, standing_of
from runner.table import trials_parquet


def best_command(*, sweep: str, storage: str | None, top: int | None, as_json: bool) -> None:
    """Carry out ``recur best``.

    Raises:
        ClusterError: there is no such sweep.
        WorkFailedError: no trial has a score yet.
    """
    folder = find_sweep(sweep, storage)
    job, results = read_spec(folder), read_results(folder)
    ranked = results.ranked(top or 1)
    if not ranked:
        raise WorkFailedError(f"no trial of {folder.name} has a score yet; see: recur status {sweep}")
    if as_json:
        documents = [best_json(folder, job, trial) for trial in ranked]
        print_json(documents if top else documents[0])
        return
    best = print_best(folder, job, results, ranked)
    if not top:
        click.echo("")
        for name, found in best["hyperparameters"].items():
            click.echo(f"{name:32} {value(found)}")


def trials_command(*, sweep: str, storage: str | None, out: str | None, rebuild: bool, as_json: bool) -> None:
    """Carry out ``recur trials``.

    Raises:
        ClusterError: there is no such sweep; or it is to be rebuilt and is being run, or damaged.
        JobError: ``out`` is neither CSV nor Parquet, or cannot be written.
    """
    folder = find_sweep(sweep, storage)
    if rebuild:
        _rebuild(folder)
    results = read_results(folder)
    if out is not None:
        _write_table(Path(out), results)
        click.echo(f"{len(results.trials)} trials written to {out}", err=True)
    if as_json:
        print_json([trial.to_json() for trial in results.trials.values()])
    elif out is None:
        trials = list(results.trials.values())
        print_trials(trials, differing(trials), folder.name)
        for trial in results.failures():
            click.echo(f"{trial.id} failed: {trial.error}")


def _rebuild(folder: SweepFolder) -> None:
    from runner.rebuild import rebuild

    found = rebuild(folder)
    click.echo(f"{folder.TRIALS} and what sums up the journal of {folder.name} are made anew", err=True)
    if found is not None:
        warn(found)


def _write_table(out: Path, results: Results) -> None:
    import pandas as pd

    if out.suffix not in {".csv", ".parquet"}:
        raise JobError(f"--out {out}: write a .csv or a .parquet file")
    table = trials_parquet(results)
    data = (
        table if out.suffix == ".parquet" else pd.read_parquet(io.BytesIO(table)).to_csv(index=False).encode()
    )
    try:
        out.write_bytes(data)
    except OSError as error:
        raise JobError(f"--out {out}: cannot be written ({error.strerror})") from None


def status_command(*, sweep: str, storage: str | None, cluster_file: Path | None, as_json: bool) -> None:
    """Carry out ``recur status``.

    Raises:
        ClusterError: there is no such sweep, and nothing of that name was submitted.
    """
    known = find_known(sweep, storage, cluster_file)
    results, submitted = standing_of(known)
    if as_json:
        print_json(status_json(known.folder, results) | submitted)
    else:
        print_status(known.folder, results, submitted.get("submitted"))


def list_command(*, storage: str | None, as_json: bool) -> None:
    """Carry out ``recur list``."""
    place = open_storage(storage)
    if storage is not None and not place.exists():
        raise ClusterError(f"storage {place.uri} does not exist")
    found = [(folder, _standing(folder)) for folder in _listed(place)]
    if as_json:
        print_json([status_json(folder, results) | {"folder": folder.uri} for folder, results in found])
        return
    if not found:
        click.echo(f"no sweeps in {place.uri}")
    width = max((len(folder.name) for folder, _ in found), default=0)
    for folder, results in found:
        best = results.best()
        score = number(best.score if best else None)
        click.echo(
            f"{folder.name:{width}}  {results.state:11}  {results.ended:4} trials ended  best {score:8}  "
            f"{clock(results.seconds)}"
        )


def _listed(place: Storage) -> list[SweepFolder]:
    """Every sweep, and every submission of which there is no sweep yet."""
    from cluster.submissions import submitted_names

    sweeps = {folder.name: folder for folder in place.sweeps()}
    waiting = {name: place.sweep(name) for name in submitted_names(place.uri) if NAME.fullmatch(name)}
    return [folder for _, folder in sorted((waiting | sweeps).items())]


def _standing(folder: SweepFolder) -> Results:
    """A sweep's state; of one that is damaged, a word on that."""
    try:
        return standing_of(Known(folder, folder.exists(), latest_submission(folder)))[0]
    except (ClusterError, JobError) as error:
        warn(str(error))
        damaged = Results()
        damaged.state = "damaged"
        return damaged


def remove_command(*, sweep: str, storage: str | None, yes: bool, as_json: bool) -> None:
    """Carry out ``recur remove``.

    Raises:
        ClusterError: there is no such sweep, it is being run, or its model is in service.
    """
    from cluster.submissions import forget
    from runner.recurring.champion import check_spared

    known = find_known(sweep, storage)
    folder = known.folder
    holder = lease_holder(folder)
    if holder is not None:
        raise ClusterError(f"sweep {folder.name} is being run by {holder}; stop it first")
    if standing_of(known)[0].state == "pending":
        raise ClusterError(f"sweep {folder.name} waits to be run; stop it first")
    check_spared(folder)
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("remove asks before it deletes, and nobody is there to answer: give --yes")
        if not click.confirm(f"Delete {folder.uri} with all its trials and checkpoints?", err=True):
            click.echo("Nothing was removed.", err=True)
            return
    folder.remove()
    if known.submitted is not None:
        try:
            known.submitted.forget()
        except ClusterError as error:  # which may be gone for good
            warn(f"what {known.submitted.handle.backend} keeps of {folder.name} stays there: {error}")
    forget(folder.storage.uri, folder.name)
    if as_json:
        print_json({"removed": folder.uri})
    else:
        click.echo(f"removed {folder.uri}")
