"""``recur data``: bring tables in as Parquet shards, or make up a panel to try Recur on."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal

import click

from runner.words import counted

if TYPE_CHECKING:
    from jobs.importing import ImportSummary
    from jobs.sample import SampleSummary


@click.group()
def data() -> None:
    """Prepare data: import tables, check shards, or make a sample."""


@data.command("import")
@click.argument("sources", metavar="SRC...", nargs=-1, required=True)
@click.option("--out", required=True, metavar="DIR", help="Folder or URI to write the Parquet shards to.")
@click.option(
    "--wide",
    type=click.Choice(["columns", "rows"]),
    help="The table has a series a column beside its time, or (CSV) a line: first its id, then its values at "
    "the steps 0, 1, 2 ... or at the dates in the header. Blanks before the first and after the last value "
    "of a series, in the order of the rows, are left out; those between are missing values.",
)
@click.option(
    "--time",
    metavar="COL",
    help="Time column; by default the first that holds timestamps, or ISO dates or times. With --wide rows, "
    "what to call it: step, or time for dates, by default.",
)
@click.option(
    "--series",
    metavar="COL",
    help="Column of series ids, where there are several series. With --wide, what to call it: series by "
    "default.",
)
@click.option(
    "--value", metavar="COL", help="With --wide, what to call the column of values; value by default."
)
@click.option(
    "--rows-per-shard",
    default=1_000_000,
    show_default=True,
    type=click.IntRange(min=1),
    help="Most rows of a Parquet file; all get equally many, to within one.",
)
@click.option("--replace", is_flag=True, help="Replace the shards that are in DIR.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def import_(  # noqa: PLR0913, PLR0917 - Click hands over one argument an option
    sources: tuple[str, ...],
    out: str,
    wide: Literal["columns", "rows"] | None,
    time: str | None,
    series: str | None,
    value: str | None,
    rows_per_shard: int,
    replace: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
) -> None:
    """Turn tables into Parquet shards.

    SRC are files, folders or globs, all of one kind: CSV, JSON lines (.jsonl, .ndjson), Feather or Arrow
    (.feather, .arrow, .ipc) or Parquet; CSV and JSON lines may be compressed (.gz). The tables have one row
    per time step and series, or are wide. They are read a piece at a time, and may be larger than memory.
    """
    if value is not None and wide is None:
        raise click.UsageError("--value names the column of values that --wide makes; leave it out")
    from cluster.files import open_filesystem
    from jobs.importing import import_files

    filesystem, path = open_filesystem(out)
    with _progress() as progress:
        summary = import_files(
            sources,
            path,
            filesystem,
            wide=wide,
            time=time,
            series=series,
            value=value or "value",
            rows_per_shard=rows_per_shard,
            replace=replace,
            progress=progress,
        )
    click.echo(_document(out, summary) if as_json else _import_text(out, summary))


@data.command("check")
@click.argument("what", metavar="JOB|DIR")
@click.option(
    "--time", metavar="COL", help="Of shards: the time column; by default the first of timestamps or dates."
)
@click.option(
    "--series", metavar="COL", help="Of shards: the column of series ids; by default the first of texts."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def check(what: str, time: str | None, series: str | None, as_json: bool) -> None:  # noqa: FBT001
    """Report everything that is wrong with data at once.

    JOB is a job file, whose data is looked at as its sweep would; DIR is a file, a folder, a glob or a URI of
    Parquet shards, all of whose numeric columns are looked at. The exit code is 2 where a run would refuse
    the data, else 0: what only looks suspicious (gaps, constant series, jumps, a shift between training and
    validation) is a warning.
    """
    from runner.check import check_data, print_report

    with _progress() as progress:
        report = check_data(what=what, time=time, series=series, progress=progress)
    print_report(report, as_json=as_json)


@data.command("sample")
@click.option(
    "--out", required=True, metavar="DIR", help="Folder or URI to write the shards and job.yaml to."
)
@click.option("--series", default=1, show_default=True, help="Number of series.")
@click.option("--length", default=2000, show_default=True, help="Hours of each series.")
@click.option("--shards", default=4, show_default=True, help="Number of Parquet files.")
@click.option(
    "--noise", default=0.1, show_default=True, help="Standard deviation of what nobody can forecast."
)
@click.option("--seed", default=0, show_default=True, help="Equal seeds make equal samples.")
@click.option("--replace", is_flag=True, help="Replace the sample that is in DIR.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def sample(  # noqa: PLR0913, PLR0917 - Click hands over one argument an option
    out: str,
    series: int,
    length: int,
    shards: int,
    noise: float,
    seed: int,
    replace: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
) -> None:
    """Make a synthetic hourly panel with a known best possible error, and a job to run on it.

    It is written as it is drawn, so that it may be larger than memory.
    """
    from cluster.files import open_filesystem
    from jobs.sample import sample_panel

    filesystem, path = open_filesystem(out)
    with _progress() as progress:
        summary = sample_panel(
            path,
            filesystem,
            series=series,
            length=length,
            shards=shards,
            noise=noise,
            seed=seed,
            replace=replace,
            progress=progress,
        )
    click.echo(_document(out, summary) if as_json else _sample_text(out, summary))


@contextmanager
def _progress() -> Iterator[Any]:
    """Shows how far it is on a terminal's stderr, ten times a second, and wipes it at the end."""
    shown, due = sys.stderr.isatty(), 0.0

    def show(doing: str, rows: int, share: float) -> None:
        nonlocal due
        if shown and (now := monotonic()) >= due:
            due = now + 0.1
            click.echo(f"\r\x1b[2K{rows:,} rows {doing} ({share:.0%})", err=True, nl=False)

    try:
        yield show
    finally:
        if shown:
            click.echo("\r\x1b[2K", err=True, nl=False)


def _document(out: str, summary: ImportSummary | SampleSummary) -> str:
    return json.dumps({"out": out, **asdict(summary)})


def _import_text(out: str, summary: ImportSummary) -> str:
    shards = f"{counted(summary.shards, 'shard')} ({summary.bytes / 1e6:.3g} MB)"
    unusable = (
        "No column holds nothing but numbers; correct the values above and import again with --replace."
    )
    return "\n".join(
        [
            f"{out}: {counted(summary.rows, 'row')} in {shards}",
            f"time     {summary.time} ({summary.columns[summary.time]})",
            f"series   {summary.series or 'one, without an id column'}",
            f"numbers  {', '.join(summary.numbers) or 'none'}",
            *(f"text     {name}, because of {where}" for name, where in summary.text.items()),
            "",
            _first_job(out, summary, summary.numbers[-1]) if summary.numbers else unusable,
        ]
    )


def _first_job(out: str, summary: ImportSummary, target: str) -> str:
    import yaml

    columns = {"time": summary.time} | ({"series": summary.series} if summary.series else {})
    job = {"name": "first", "data": {"path": out, **columns, "target": target}, "window": {"horizon": 24}}
    text = yaml.safe_dump(job, sort_keys=False, allow_unicode=True)
    save = "Next, save this as job.yaml with the target and horizon you want:"
    return f"{save}\n\n{text}\nand type: recur run job.yaml"


def _sample_text(out: str, summary: SampleSummary) -> str:
    if "://" in out:
        job = shlex.quote(f"{out.rstrip('/')}/job.yaml")
        following = f"copy {job} here and type: recur run job.yaml --set data.path={shlex.quote(out)}"
    else:
        following = f"type: recur run {shlex.quote(str(Path(out) / 'job.yaml'))}"
    size = f"{counted(summary.rows, 'row')} of {summary.series} series in {counted(summary.shards, 'shard')}"
    return (
        f"{out}: {size}\n"
        f"best possible mse {summary.best_scaled_mse:.4g} in units of the target's variance "
        f"({summary.best_mse:.4g} in its own)\n\n"
        f"Next, {following}"
    )
