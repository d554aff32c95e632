"""What commands print: JSON documents of the contract, and tables for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import click

from cluster.storage import SweepFolder
from runner.publish import MANIFEST, model_files, read_best, read_manifest
from runner.results import Results
from runner.trial import Trial

if TYPE_CHECKING:  # what reads a journal is to start at once
    from rich.table import Table

    from jobs.spec import Job

_NO_LIMIT = 10_000
_OTHER_COLUMNS = 48  # what a table of trials takes beside the hyperparameters
_SHORTEST_VALUE = 7
_METRICS = ("mse", "mae", "raw_rmse", "raw_mae", "smape", "mase")


def print_json(document: Any) -> None:
    """One JSON document on stdout."""
    click.echo(json.dumps(document, indent=2, allow_nan=False))


def best_json(folder: SweepFolder, job: Job, trial: Trial) -> dict[str, Any]:
    """The contract's object for one trial; ``test`` and ``checkpoint`` as far as there are any."""
    from jobs.params import hyperparameters

    published = _published(folder, trial)
    metrics = json.loads(read_best(folder, "metrics.json")) if published else {}
    if published:
        read_best(folder, model_files(job)[0])  # what is named here is what was published
    checkpoint = folder.best(model_files(job)[0]) if published else folder.model(trial.id, trial.epoch or 0)
    return {
        "sweep": folder.name,
        "trial_id": trial.id,
        "score": trial.score,
        "spread": trial.spread,
        "objective": job.search.objective,
        "epoch": trial.passes(trial.epoch),
        "hyperparameters": hyperparameters(job, trial.best_values),
        "checkpoint": folder.inside(checkpoint) if folder.exists(checkpoint) else None,
        "test": metrics.get("test"),
        "seasonal_naive": metrics.get("seasonal_naive"),
    } | ({"test_error": metrics["test_error"]} if "test_error" in metrics else {})


def _published(folder: SweepFolder, trial: Trial) -> bool:
    manifest = folder.best(MANIFEST)
    if not folder.exists(manifest):
        return False
    published = read_manifest(folder)
    return bool((published["trial_id"], published["epoch"]) == (trial.id, trial.passes(trial.epoch)))


def status_json(folder: SweepFolder, results: Results) -> dict[str, Any]:
    """The contract's object for ``recur status``."""
    best = results.best()
    return {
        "sweep": folder.name,
        "state": results.state,
        "planned": results.planned,
        "trials": results.counts(),
        "best_score": best.score if best else None,
        "epochs_trained": results.epochs_trained(),
        "seconds": round(results.seconds, 1),
    }


def print_status(folder: SweepFolder, results: Results, submitted: dict[str, Any] | None = None) -> None:
    """One sweep's state in a few lines."""
    facts = status_json(folder, results)
    counts = ", ".join(f"{n} {state.replace('_', ' ')}" for state, n in facts["trials"].items() if n)
    planned = f" of {results.planned} planned" if results.planned else ""
    click.echo(f"{folder.name}: {facts['state']}, {counts or 'no trials yet'}{planned}")
    trained = f"{epochs(facts['epochs_trained'])} epochs in {clock(results.seconds)}"
    click.echo(f"best score {number(facts['best_score'])}, {trained}")
    failures = results.failures()
    if failures:
        click.echo(f"{len(failures)} failed, the last: {failures[-1].id}: {failures[-1].error}")
    if submitted:
        said = f": {submitted['message']}" if submitted.get("message") else ""
        click.echo(f"submitted to {submitted['backend']} as {submitted['id']} by {submitted['by']}{said}")
    click.echo(f"folder {folder.uri}")


def epochs(count: float | None) -> str:
    """A number of epochs, which has decimals where an epoch is a part of a pass."""
    if isinstance(count, float):
        return f"{round(count, 2):g}"
    return "-" if count is None else str(count)


def trial_table(trials: Sequence[Trial], names: Sequence[str], title: str) -> Table:
    """Trials with the hyperparameters that are named."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    spread = any(trial.spread is not None for trial in trials)
    for head in ("trial", "state", "score", *(["spread"] if spread else []), "epoch", "trained", "seconds"):
        table.add_column(head, justify="left" if head in {"trial", "state"} else "right", no_wrap=True)
    for name in names:
        table.add_column(short(name), justify="right", no_wrap=True)
    ailing = any(trial.diagnosis for trial in trials)
    if ailing:
        table.add_column("diagnosis")
    for trial in trials:
        table.add_row(
            trial.id,
            trial.state.replace("_", " "),
            number(trial.score),
            *([number(trial.spread)] if spread else []),
            epochs(trial.passes(trial.epoch)),
            epochs(trial.passes(trial.epochs_trained)),
            f"{trial.seconds:.1f}",
            *(value(trial.best_values.get(name)) for name in names),
            *([trial.diagnosis or ""] if ailing else []),
        )
    return table


def print_trials(trials: Sequence[Trial], names: Sequence[str], title: str) -> None:
    """A table of trials; on a terminal with as many hyperparameters as there is room for."""
    from rich.console import Console

    console = Console(highlight=False)
    shown = fitting(names, console.width) if console.is_terminal else names
    print_table(trial_table(trials, shown, title))
    if len(shown) < len(names):
        click.echo(f"({len(names) - len(shown)} more hyperparameters: --json, or recur trials --out)")


def print_table(table: Table) -> None:
    """A table, its lines whole where there is no terminal to fit into."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _NO_LIMIT
        console.width = console.measure(table).maximum
    console.print(table)


def print_best(folder: SweepFolder, job: Job, results: Results, ranked: Sequence[Trial]) -> dict[str, Any]:
    """The best trials, of all there are, and where the best one's checkpoint is.

    Returns:
        What ``best_json`` says of the best one.
    """
    names = differing(list(results.trials.values()))
    print_trials(ranked, names, f"Best trials by {job.search.objective}")
    best = best_json(folder, job, ranked[0])
    click.echo(f"\ncheckpoint {best['checkpoint'] or 'not on storage yet'}")
    print_scores(best)
    return best


def print_scores(best: dict[str, Any]) -> None:
    """The test part's metrics beside the baseline's."""
    if "test_error" in best:
        click.echo(f"test       not scored: {best['test_error']}")
    if not best["test"]:
        return
    from rich.table import Table

    table = Table(title="Test part", title_justify="left", box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for name in _METRICS:
        table.add_column(name, justify="right")
    for row, key in (("best trial", "test"), ("seasonal naive", "seasonal_naive")):
        table.add_row(row, *(number(best[key][name]) for name in _METRICS))
    click.echo("")
    print_table(table)
    ours, naive = best["test"]["mse"], best["seasonal_naive"]["mse"]
    if ours is not None and naive:
        times = ours / naive
        compared = f"{1 - times:.0%} below" if times < 1 else f"{times:.3g} times"
        click.echo(f"mse is {compared} seasonal naive's")


def differing(trials: Sequence[Trial]) -> list[str]:
    """Names of the hyperparameters that are not the same in all trials, in the job file's order."""
    values = [trial.best_values for trial in trials]
    names = dict.fromkeys(chain.from_iterable(values))
    if len(trials) < 2:
        return list(names)
    first = {name: repr(values[0].get(name)) for name in names}
    return [name for name in names if any(repr(each.get(name)) != first[name] for each in values)]


def fitting(names: Sequence[str], width: int) -> list[str]:
    """As many of the names, in order, as a table of trials has room for; every trial's are in ``--json``."""
    room = width - _OTHER_COLUMNS
    shown = []
    for name in names:
        room -= max(len(short(name)), _SHORTEST_VALUE) + 2
        if room < 0:
            break
        shown.append(name)
    return shown


def short(name: str) -> str:
    """A hyperparameter's name without its section; one that a user's function gave has none."""
    return name.partition(".")[2] or name


def value(found: Any) -> str:
    """A hyperparameter's value for a table."""
    if found is None:
        return "-"
    return f"{found:.3g}" if isinstance(found, float) else str(found)


def number(score: float | None) -> str:
    """A score for a table."""
    return "-" if score is None else f"{score:.4g}"


def clock(seconds: float) -> str:
    """A length of time as people say it."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minutes:02d}m"
    return f"{minutes}m {rest:02d}s" if minutes else f"{rest}s"
