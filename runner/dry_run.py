"""``recur run --dry-run``: what would run, without running it."""

from __future__ import annotations

import math
from typing import Any

import click
import numpy as np

from cluster.storage import SweepFolder
from jobs.cudnn import choices_off_cudnn
from jobs.fidelity import fidelity_of
from jobs.jobfile import dump_job
from jobs.panel import Panel
from jobs.params import Params, resolve, space_of
from jobs.parts import parts_of, short_series
from jobs.spec import Job
from jobs.windows import count_windows
from runner.discovery import summary_of
from runner.quiet import start_keras
from runner.schedulers.choice import make_scheduler
from runner.searchers.choice import make_searcher, planned_trials
from runner.show import print_json, value


def print_dry_run(job: Job, panel: Panel, folder: SweepFolder, *, as_json: bool) -> None:
    """Print the resolved job, the size of its space, its windows, and one sampled network."""
    space = space_of(job)
    size = space.size()
    values = space.sample(np.random.default_rng([job.search.seed, 0]))
    params, fidelity = resolve(job, values), fidelity_of(job, panel)
    summary, parameters = _summary(job, params, panel)  # before a searcher starts Keras in its own way
    scheduler = make_scheduler(job, fidelity)
    searcher = make_searcher(job, space, scheduler)
    planned = planned_trials(job.search.trials, space, scheduler, searcher)
    channels = panel.targets if params.window.channel_independent else 1
    counts = count_windows(parts_of(job, panel), params.window, channels)
    if as_json:
        print_json(
            {
                "job": job.model_dump(mode="json"),
                "sweep": folder.uri,
                "space": {"size": None if math.isinf(size) else int(size), "hyperparameters": space.names()},
                "trials": planned,
                "series": len(panel.series),
                "left_out": len(short_series(job, panel)),
                "rows": len(panel.rows),
                "windows": counts,
                "fidelity": fidelity.to_json(),
                "off_cudnn": choices_off_cudnn(job) if job.resources.gpu else [],
                "sample": {"hyperparameters": values, "parameters": parameters},
            }
        )
        return
    click.echo(dump_job(job))
    held = "infinitely many (a range is continuous)" if math.isinf(size) else f"{size:,.0f}"
    searched = f"{len(space.names())} searched hyperparameters"
    click.echo(f"space       {held} configuration(s) of {searched}; {planned} trial(s)")
    click.echo(
        f"data        {len(panel.series)} series, {len(panel.rows):,} rows, one each {panel.frequency()}"
    )
    click.echo("windows     " + ", ".join(f"{count:,} {part}" for part, count in counts.items()))
    if fidelity.windows is not None:
        parts = f"{fidelity.per_pass} to a pass" if fidelity.per_pass > 1 else "a pass"
        some = f"on {min(fidelity.validation or 0, counts['validation']):,} of its windows"
        click.echo(f"validation  {some}, after every {fidelity.windows:,} training windows, {parts}")
    for choice in choices_off_cudnn(job) if job.resources.gpu else ():
        click.echo(f"slow on GPU {choice}: cuDNN has no kernel for it, so such trials take XLA's slower way")
    click.echo(f"would write {folder.uri}\n")
    chosen = ", ".join(f"{name}={value(found)}" for name, found in values.items())
    click.echo(f"One sampled network{': ' + chosen if chosen else ''}\n{summary}")


def _summary(job: Job, params: Params, panel: Panel) -> tuple[str, int | None]:
    """Keras's own summary of the network, and its number of parameters."""
    if params.build is not None:
        return summary_of(job, params, panel)
    start_keras(job.backend)
    from jobs.cut import Cutter
    from jobs.models import build_network

    cutter = Cutter(panel, params.window, separate=params.window.channel_independent)
    network: Any = build_network(
        params.network,
        lookback=params.window.lookback,
        inputs=cutter.inputs,
        horizon=params.window.horizon,
        targets=cutter.targets,
        known=panel.known,
        padded=params.window.padded,
    )
    lines: list[str] = []
    network.summary(print_fn=lines.append, line_length=78)
    return "\n".join(lines), int(network.count_params())
