"""``recur run``: check everything, run or resume the sweep, show what came of it."""

from __future__ import annotations

import importlib.util
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cluster.errors import ClusterError
from cluster.gpus import find_gpus
from cluster.lease import Lease
from cluster.storage import SweepFolder
from jobs.errors import JobError
from jobs.panel import Panel
from jobs.params import space_of
from jobs.parts import short_series
from jobs.source import Columns
from jobs.spec import Job
from runner.asof import with_moment
from runner.beginning import find_sources
from runner.errors import Interrupted, WorkFailedError
from runner.hopeless import why
from runner.launch import (
    Standing,
    check_standing,
    claimed,
    open_storage,
    read_job,
    typed,
    wait_until_free,
    warn,
)
from runner.owncode import record_code
from runner.publish import MANIFEST
from runner.results import Results
from runner.show import best_json, clock, epochs, print_best, print_json, print_status, status_json
from runner.warm import check_warm, warm_model

if TYPE_CHECKING:
    from runner.sweep import Place


def run_command(
    *,
    job: Path,
    name: str | None,
    overrides: tuple[str, ...],
    trials: int | None,
    storage: str | None,
    fresh: bool,
    workers: str,
    address: str | None,
    dry_run: bool,
    wait: float,
    submitted: str | None,
    held: ExitStack,
    as_json: bool,
) -> None:
    """Carry out ``recur run``.

    ``submitted`` is the job file's SHA-256, from ``recur submit``; ``held`` is closed after the last word.

    Raises:
        JobError, ClusterError: something given cannot be used.
        WorkFailedError: no trial succeeded, or storage or cluster failed on the way.
        Interrupted: a signal came.
    """
    from runner.data import open_job_panel
    from runner.discovery import discovered
    from runner.sweep import Place

    spec = read_job(job, overrides, name=name, trials=trials, digest=submitted)
    check_warm(spec)
    count = parse_workers(workers)
    address = check_machine(spec, address, dry_run=dry_run)
    place = open_storage(storage, spec)
    if submitted is not None:
        from cluster.submissions import submission_on
        from runner.outcopy import copied_output

        held.enter_context(copied_output(submission_on(place, spec.name)))
    spec = with_moment(spec, place.sweep(spec.name), fresh=fresh)
    panel = open_job_panel(spec)
    wait_until_free(place.sweep(spec.name), wait)
    _note_short_series(spec, panel)
    spec = discovered(spec, panel, place.sweep(spec.name), fresh=fresh)
    standing = check_standing(place.sweep(spec.name), spec, fresh=fresh)
    if fresh or not standing.exists:  # later it has them in its journal
        warm_model(spec, find_sources(spec, place))
    if dry_run:
        from runner.dry_run import print_dry_run

        place.check_writable()
        print_dry_run(spec, panel, standing.folder, as_json=as_json)
        return
    if submitted is None:  # else whoever submitted it has
        record_code(standing.folder, spec)
    if standing.finished:
        warn(f"sweep {spec.name} is finished already; nothing was changed (--fresh replaces it)")
        show(standing.folder, spec, standing.results, as_json=as_json)
        return
    where = Place(count, address, heir=wait > 0)
    carry_out(spec, standing, panel, where, as_json=as_json, fresh=fresh)


def carry_out(
    spec: Job,
    standing: Standing,
    panel: Panel,
    place: Place,
    *,
    as_json: bool,
    retry: bool = False,
    fresh: bool = False,
) -> None:
    """Run or resume a sweep whose folder the job may use, and show what came of it.

    Raises:
        ClusterError: as ``claimed``.
        WorkFailedError, Interrupted: as ``run_command``.
    """
    results = work_on(spec, standing, panel, place, retry=retry, fresh=fresh)
    if results.best() is None:
        warn(f"it was stopped before any trial had a score; recur resume {typed(standing.folder)} goes on")
    show(standing.folder, spec, results, as_json=as_json)
    if results.best() is not None and not as_json:
        _next_steps(standing.folder, spec, results)


def work_on(
    spec: Job, standing: Standing, panel: Panel, place: Place, *, retry: bool = False, fresh: bool = False
) -> Results:
    """Run or resume a sweep whose folder the job may use.

    Raises:
        ClusterError, WorkFailedError, Interrupted: as ``carry_out``.
    """
    _note_gaps(spec, panel)
    _note_small_space(spec)
    _note_other_data(spec, standing.results, panel)
    with claimed(standing, spec, fresh=fresh, heir=place.heir) as lease:
        return _sweep(spec, standing, lease, panel, place, retry=retry)


def check_machine(spec: Job, address: str | None, *, dry_run: bool) -> str | None:
    """See that what the job needs is here: the backend's package, a trial's cores and card, the cluster.

    For a dry run a card may be missing: jobs for GPUs are written elsewhere too.

    Returns:
        The cluster that was found at ``address``.

    Raises:
        JobError, ClusterError: it is not.
    """
    cores = len(os.sched_getaffinity(0))
    found = None
    if address is not None:
        found = _find_cluster(address, to_run=not dry_run)
    elif spec.resources.cpu > cores:
        raise JobError(
            f"resources.cpu: a trial asks for {spec.resources.cpu} cores, this machine has {cores}"
        )
    elif spec.resources.gpu:
        _check_gpu(spec.resources.gpu, dry_run=dry_run)
    if importlib.util.find_spec(spec.backend) is None:
        extra = f"[{spec.backend}]" if spec.backend != "tensorflow" else ""
        raise JobError(f"backend: {spec.backend} is not installed; run: pip install 'recur-tune{extra}'")
    return found


def _find_cluster(address: str, *, to_run: bool) -> str:
    from cluster.probe import find_cluster

    with ThreadPoolExecutor(1) as pool:
        if to_run:
            from runner.tuning import load_tune

            pool.submit(load_tune)  # the head is asked by another process
        return find_cluster(address)


def _check_gpu(share: float, *, dry_run: bool) -> None:
    try:
        find_gpus()
    except ClusterError as error:
        said = (
            f"resources.gpu: a trial asks for {share:g} of a GPU; {error}; write gpu: 0 to train on the cores"
        )
        if not dry_run:
            raise JobError(said) from None
        warn(said)


def parse_workers(workers: str) -> int | None:
    """The option's number; None for ``auto``.

    Raises:
        click.BadParameter: neither.
    """
    if workers == "auto":
        return None
    if not workers.isdecimal() or int(workers) < 1:
        raise click.BadParameter(f"{workers!r} is neither a positive number nor auto", param_hint="--workers")
    return int(workers)


def _sweep(
    spec: Job, standing: Standing, lease: Lease[SweepFolder], panel: Panel, place: Place, *, retry: bool
) -> Results:
    from runner.progress import make_progress
    from runner.sweep import run_sweep

    folder = standing.folder
    if standing.results.trials:
        warn(f"resuming {spec.name}: {standing.results.ended} trials are done")
    try:
        with make_progress(spec) as progress:
            results = run_sweep(spec, lease, panel, place, progress.watch, retry=retry)
    except Interrupted:
        raise Interrupted(
            f"What was found is kept in {folder.uri}\n"
            f"Run the same command again to go on; see what there is with: recur best {typed(folder)}"
        ) from None
    except (JobError, ClusterError) as error:
        raise WorkFailedError(f"{error}; what was found is kept in {folder.uri}") from None
    if results.state == "done" and results.scored and results.scored["error"]:
        warn(f"the test part could not be scored: {results.scored['error']}")
    given_up = results.hopeless and results.state == "failed"
    if given_up or (results.best() is None and results.state != "stopped"):
        raise WorkFailedError(_nothing_came(folder, results))
    return results


def _nothing_came(folder: SweepFolder, results: Results) -> str:
    """Why a sweep has failed, and what can be done."""
    failures, ways = results.failures(), "--fresh begins again"
    logs = f"logs are in {folder.inside(folder.LOGS)}; " if folder.files(folder.LOGS) else ""
    if failures:
        ways = f"mend that, then recur retry {typed(folder)} tries the failed ones again, or {ways}"
    if results.hopeless:
        return f"{why(results)}; {logs}{ways}"
    if failures:
        said = f"the last one said: {failures[-1].error}"
    else:
        diverged = all(trial.state == "diverged" for trial in results.trials.values())
        said = "all diverged" if results.trials and diverged else "none came to a score"
    return f"no trial succeeded; {said}; {logs}{ways}"


def _note_short_series(spec: Job, panel: Panel) -> None:
    short = len(short_series(spec, panel))
    if short:
        warn(f"{short:,} of {len(panel.series):,} series are shorter than a window and left out")


def _note_gaps(spec: Job, panel: Panel) -> None:
    gaps, missing = panel.gaps(), spec.data.missing
    if gaps:
        done = "windows run across them" if missing == "error" else f"filled in (data.missing: {missing})"
        warn(f"column {spec.data.time} has {gaps:,} gaps longer than {panel.frequency()}; {done}")
    for column, count in panel.filled:
        warn(f"column {column} has {count:,} missing values; filled in (data.missing: {missing})")


def _note_other_data(spec: Job, past: Results, panel: Panel) -> None:
    from runner.data import fingerprint_of

    if past.fingerprint is not None and past.fingerprint != fingerprint_of(panel):
        warn(
            f"{spec.data.path}: the data have changed since sweep {spec.name} was run last; the scores that "
            "it has are of other data than those to come (--fresh begins again)"
        )


def _note_small_space(spec: Job) -> None:
    size, asked = space_of(spec).size(), spec.search.trials
    if asked is not None and size < asked:
        warn(f"search.trials is {asked} and the space holds {size:,.0f} configurations; each is tried once")


def show(folder: SweepFolder, spec: Job, results: Results, *, as_json: bool) -> None:
    """Print the end of a sweep: the best trials and the test part's scores; its state while it has none."""
    ranked, facts = results.ranked(), status_json(folder, results)
    if results.state == "done" and not folder.exists(folder.best(MANIFEST)):
        warn(f"nothing is published any more; recur trials {typed(folder)} --rebuild publishes it anew")
    if not ranked:
        print_json(facts) if as_json else print_status(folder, results)
        return
    if as_json:
        extra = {key: facts[key] for key in ("seconds", "epochs_trained", "state", "trials")}
        print_json(best_json(folder, spec, ranked[0]) | extra)
        return
    size = space_of(spec).size()
    tried = f"{len(results.trials)} of {size:,.0f}" if size < float("inf") else f"{len(results.trials)}"
    trained = f"{epochs(results.epochs_trained())} epochs, {clock(results.seconds)}"
    click.echo(f"{folder.name}: {results.state}, {tried} configurations tried, {trained}\n")
    print_best(folder, spec, results, ranked[:5])


def _next_steps(folder: SweepFolder, spec: Job, results: Results) -> None:
    sweep = typed(folder)
    ahead = " --future F" if Columns.of(spec.data).future else ""
    resume = f"  recur resume {sweep}\n" if results.state == "stopped" else ""
    click.echo(
        f"\nNext:\n{resume}"
        f"  recur best {sweep}\n"
        f"  recur predict {sweep} --data D{ahead} --out forecasts.parquet\n"
        f"  recur trials {sweep} --out trials.csv"
    )
