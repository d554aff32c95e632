"""``recur data check``: everything that is wrong with data, told at once."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cluster.cache import kept
from cluster.files import open_filesystem
from jobs.dataspec import Split
from jobs.errors import JobError
from jobs.frequencies import check_spacing
from jobs.guess import guess_columns
from jobs.inspection import Inspection, inspect, lengths_of
from jobs.jobfile import load_job
from jobs.moments import moments
from jobs.panel import map_arrays
from jobs.parts import split_panel
from jobs.problems import Problem
from jobs.source import Columns, Source
from jobs.suspicions import Profile, profile_of, suspicions, unknown
from runner.asof import with_moment
from runner.data import open_job_panel
from runner.show import number, print_json
from runner.words import counted

if TYPE_CHECKING:
    from jobs.panel import Panel
    from jobs.spec import Job

_MOST_SHOWN = 200  # problems; --json has all


@dataclass(frozen=True)
class Report:
    """What a check found.

    Attributes:
        problems: errors first.
        refusal: the sentence with which a run would refuse the data; None if it would not.
        facts: of the whole, for a head line.
        profile: of the columns; None where nothing can be read.
    """

    path: str
    problems: tuple[Problem, ...]
    refusal: str | None
    facts: dict[str, Any]
    profile: Profile | None

    def to_json(self) -> dict[str, Any]:
        """One document."""
        columns = []
        if self.profile is not None:
            rows = zip(*list(vars(self.profile).values())[1:], strict=True)
            names = ("known", "mean", "deviation", "least", "most")
            for name, values in zip(self.profile.columns, rows, strict=True):
                numbers = {key: float(value) for key, value in zip(names, values, strict=True)}
                columns.append({"name": name} | numbers | {"known": int(values[0])})
        return {
            "path": self.path,
            "refused": self.refusal,
            **self.facts,
            "columns": columns,
            "problems": [problem.to_json() for problem in self.problems],
        }


Progress = Callable[[str, int, float], None]


def check_data(*, what: str, time: str | None, series: str | None, progress: Progress) -> Report:
    """Look at the data of a job file, or at a place of shards.

    Raises:
        JobError: there is nothing to look at.
        ClusterError: the storage cannot be opened.
    """
    job = with_moment(load_job(Path(what)), None) if what.endswith((".yaml", ".yml")) else None
    if job is not None and (time or series):
        raise click.UsageError("--time and --series are for shards; a job file names its columns itself")
    path = what if job is None else job.data.path
    filesystem, place = open_filesystem(path)
    columns = guess_columns(filesystem, place, time, series) if job is None else Columns.of(job.data)
    return _check(path, Source.find(filesystem, place, columns), job, progress)


def print_report(report: Report, *, as_json: bool) -> None:
    """Print what was found.

    Raises:
        JobError: a run would refuse the data.
    """
    if as_json:
        print_json(report.to_json())
    else:
        _print(report)
    if report.refusal is not None:
        raise JobError(f"a run would refuse this data: {report.refusal}")


def _check(path: str, source: Source, job: Job | None, progress: Progress) -> Report:
    found: list[Inspection] = []
    folder = kept("checks", secrets.token_hex(8), lambda made: found.append(inspect(source, made, progress)))
    try:
        inspection = found[0]
        panel = inspection.panel
        facts: dict[str, Any] = {"shards": len(source.listing.paths), "rows": inspection.rows}
        profile, problems = None, list(inspection.problems)
        if panel is not None:
            panel = _moved(panel, folder)
            whole = moments(panel, panel.offsets[:-1], panel.offsets[1:], hidden=unknown, extremes=True)
            profile = profile_of(panel, whole)
            split = Split() if job is None else job.data.split
            problems += [*_mixed(panel, path, source.columns)]
            problems += suspicions(panel, split_panel(panel, split), whole)
            facts |= _facts(panel, inspection)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    refusal = _refusal(job, problems)
    if refusal is not None and not any(problem.severity == "error" for problem in problems):
        problems.append(Problem("error", "refused", refusal))
    problems.sort(key=lambda problem: problem.severity != "error")
    return Report(path, tuple(problems), refusal, facts, profile)


def _moved(panel: Panel, folder: Path) -> Panel:
    """The panel where its files are now that they are whole."""
    return replace(panel, **map_arrays(folder))


def _mixed(panel: Panel, path: str, columns: Columns) -> Iterator[Problem]:
    """Two frequencies in one panel, which only ``data.frequency`` brings together."""
    try:
        if columns.frequency is None:
            check_spacing(panel, path)
    except JobError as error:
        yield Problem("error", "frequencies", str(error).removeprefix(f"{path}: "))


def _facts(panel: Panel, inspection: Inspection) -> dict[str, Any]:
    return {
        "series": len(panel.series),
        "lengths": lengths_of(panel),
        "frequency": panel.frequency(),
        "gaps": panel.gaps(),
        "missing": {name: tally.rows for name, tally in inspection.missing.items() if tally.rows},
        "infinite": {name: tally.rows for name, tally in inspection.infinite.items() if tally.rows},
    }


def _refusal(job: Job | None, problems: list[Problem]) -> str | None:
    """What a run says of the data, if it does not take it; without a job, the first thing that it would."""
    if job is None:
        return next((problem.said for problem in problems if problem.severity == "error"), None)
    try:
        open_job_panel(job)
    except JobError as error:
        return str(error)
    return None


def _print(report: Report) -> None:
    facts = report.facts
    click.echo(
        f"{report.path}: {facts['rows']:,} rows in {counted(facts['shards'], 'shard')}{_series(facts)}"
    )
    if report.profile is not None:
        _print_columns(report, report.profile)
    for problem in report.problems[:_MOST_SHOWN]:
        colour = "red" if problem.severity == "error" else "yellow"
        click.echo(f"{click.style(f'{problem.severity:7}', fg=colour)}  {problem.kind}: {problem.said}")
    more = len(report.problems) - _MOST_SHOWN
    if more > 0:
        click.echo(f"and {more:,} more; --json has all of them")
    if not report.problems:
        click.echo("nothing is wrong with it")


def _series(facts: dict[str, Any]) -> str:
    if "series" not in facts:
        return ""
    lengths = facts["lengths"]
    steps = f"{lengths['least']:,} to {lengths['most']:,} steps (median {lengths['median']:,})"
    if lengths["least"] == lengths["most"]:
        steps = f"{lengths['least']:,} steps"
    return f", {facts['series']:,} series of {steps}, one each {facts['frequency']}"


def _print_columns(report: Report, profile: Profile) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("column")
    for name in ("known", "missing", "infinite", "least", "mean", "most", "deviation"):
        table.add_column(name, justify="right")
    for index, name in enumerate(profile.columns):
        gone = (report.facts[kind].get(name, 0) for kind in ("missing", "infinite"))
        values = (profile.least, profile.mean, profile.most, profile.deviation)
        numbers = (number(float(each[index])) for each in values)
        table.add_row(name, f"{int(profile.count[index]):,}", *(f"{each:,}" for each in gone), *numbers)
    Console().print(table)
    click.echo("")
