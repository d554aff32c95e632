"""From what a user typed to a sweep that may run, all of it checked before anything is written."""

from __future__ import annotations

import difflib
import gc
import os
import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cluster.errors import ClusterError
from cluster.folder import SMALL
from cluster.lease import OWN_FILES, Lease, holding, lease_holder
from cluster.storage import Storage, SweepFolder
from jobs.errors import JobError
from jobs.names import NAME
from runner.results import Results
from runner.summary import collecting_nothing, read_summary

if TYPE_CHECKING:  # what reads a journal is to start at once
    from jobs.spec import Job

DEFAULT_STORAGE = "sweeps"


def open_storage(asked: str | None, job: Job | None = None) -> Storage:
    """The storage that is meant: the option's, the environment's, the job's, else ``./sweeps``."""
    from_job = job.storage if job else None
    return Storage.open(asked or os.environ.get("RECUR_STORAGE") or from_job or DEFAULT_STORAGE)


def read_job(
    path: Path,
    overrides: Sequence[str],
    *,
    name: str | None,
    trials: int | None,
    digest: str | None = None,
) -> Job:
    """The job file with what the command line changes in it, its search one that can be carried out.

    ``digest`` is the file's SHA-256, where it has to be a certain one.

    Raises:
        JobError: in one sentence with the file and the field.
    """
    from jobs.built import Built
    from jobs.jobfile import load_job

    extra = [f"search.trials={trials}"] if trials is not None else []
    named = [f"name={name}"] if name is not None else []
    job = load_job(path, [*overrides, *extra, *named], digest=digest)
    if not isinstance(job.model, Built):  # of which the space is not known yet
        try:
            check_search(job)
        except JobError as error:
            raise JobError(f"{path}: {error}") from None
    return job


def check_search(job: Job) -> None:
    """See that the job's search can be carried out.

    Raises:
        JobError: names the field that does not fit the space.
    """
    from jobs.fidelity import PASSES
    from jobs.params import space_of
    from runner.schedulers.choice import make_scheduler
    from runner.searchers.choice import make_searcher

    make_searcher(job, space_of(job), make_scheduler(job, PASSES))


def find_sweep(sweep: str, storage: str | None) -> SweepFolder:
    """The sweep that a name, a folder or a URI means.

    Raises:
        ClusterError: there is none.
    """
    folder = named_folder(sweep, storage)
    if folder is None or not folder.exists():
        raise no_such_sweep(sweep, storage)
    return folder


def named_folder(sweep: str, storage: str | None) -> SweepFolder | None:
    """The folder of a sweep, whether or not it is there; None for what cannot be a sweep's name."""
    if "/" in sweep:
        folder = SweepFolder.from_uri(sweep)
        return folder if NAME.fullmatch(folder.name) else None
    here = Path(sweep).absolute()
    place = open_storage(storage)
    if not (NAME.fullmatch(sweep) and place.sweep(sweep).exists()) and (here / SweepFolder.SPEC).is_file():
        return SweepFolder.from_uri(str(here))
    return place.sweep(sweep) if NAME.fullmatch(sweep) else None


def no_such_sweep(sweep: str, storage: str | None) -> ClusterError:
    """What to say where there is none."""
    if "/" in sweep:
        return ClusterError(f"{sweep} is no sweep's folder: it has no spec.yaml; see: recur list")
    place = open_storage(storage)
    known = [folder.name for folder in place.sweeps()]
    near = difflib.get_close_matches(sweep, known, n=1)
    hint = f"did you mean {near[0]}" if near else f"it holds {', '.join(known[:5]) or 'none'}"
    return ClusterError(f"no sweep {sweep!r} in {place.uri} ({hint}); --storage names another place")


def read_spec(folder: SweepFolder) -> Job:
    """The job that a sweep was made from."""
    from jobs.jobfile import parse_job

    text = folder.read(folder.SPEC, SMALL).decode("utf-8", errors="replace")
    return parse_job(text, source=folder.inside(folder.SPEC))


def read_results(folder: SweepFolder) -> Results:
    """What a sweep has found so far; a process that died without a word leaves it ``interrupted``."""
    with collecting_nothing():
        results = read_summary(folder).results
        gc.freeze()  # all of it stays, and the garbage collector need not look through it
    if results.state == "running" and lease_holder(folder) is None:
        results.mark_interrupted()
    return results


@dataclass(frozen=True)
class Standing:
    """What is there already under a sweep's name."""

    folder: SweepFolder
    exists: bool
    results: Results
    extended: bool = False  # by the job that is to use it
    moved: bool = False  # the folder of its function

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.results.state == "done" and not self.extended


def wait_until_free(folder: SweepFolder, seconds: float) -> None:
    """Wait for whoever runs a sweep to end or to be found dead, at most so long."""
    deadline = time.monotonic() + seconds
    holder = lease_holder(folder)
    if holder is not None and seconds:
        warn(f"sweep {folder.name} is being run by {holder}; waiting {seconds:.0f} s for it")
    while holder is not None and time.monotonic() < deadline:
        time.sleep(1)
        holder = lease_holder(folder)


def check_standing(folder: SweepFolder, job: Job, *, fresh: bool) -> Standing:
    """See whether the job may use its folder.

    Raises:
        JobError: the name is taken by a different job.
        ClusterError: the sweep is being run, or its folder holds something else; or it is to be replaced and
            its model is in service.
    """
    holder = lease_holder(folder)
    if holder is not None:
        raise ClusterError(
            f"sweep {folder.name} is being run by {holder}; wait for it, or choose another --name"
        )
    if not folder.exists():
        half_removed = not OWN_FILES.issuperset(folder.files(folder.JOURNAL))
        if folder.files("") or (half_removed and not fresh):
            hint = ", or take away what is left of a removed sweep with --fresh" if half_removed else ""
            raise ClusterError(
                f"{folder.uri} holds files that are no sweep's; choose another --name or --storage{hint}"
            )
        return Standing(folder, exists=half_removed, results=Results())
    if fresh:
        from runner.recurring.champion import check_spared

        check_spared(folder)
        return Standing(folder, exists=True, results=Results())
    from jobs.spec import SCHEDULED
    from runner.data import changed_fields

    before = read_spec(folder)
    # What was found out is no part of the job, nor where it lies: it may have been submitted from elsewhere.
    others = {"storage", "model.found", "model.folder"}
    found = changed_fields(before, job)
    changed = [name for name in found if name not in others and name.partition(".")[0] not in SCHEDULED]
    if any(not _extends(name, before, job) for name in changed):
        raise JobError(
            f"the name {folder.name} is taken in {folder.storage.uri} by a job that differs in "
            f"{', '.join(changed)}; choose another --name, or replace that sweep with --fresh"
        )
    results = read_results(folder)
    more = bool(changed) or _plans_more(job, results)
    return Standing(folder, exists=True, results=results, extended=more, moved="model.folder" in found)


def _extends(name: str, before: Job, job: Job) -> bool:
    """Whether a sweep with this field changed is the same one, with more to do."""
    from jobs.searchspec import DEFAULT_TRIALS

    field = name.removeprefix("search.")
    if field not in {"trials", "hyperband_iterations"}:
        return False
    if before.search.algorithm == "grid" and before.search.trials is None:
        return False  # it is whole
    old, new = (getattr(each.search, field) or DEFAULT_TRIALS for each in (before, job))
    return bool(new > old)


def _plans_more(job: Job, results: Results) -> bool:
    """Whether the job was extended, and the process that did so died before its journal said it."""
    from jobs.params import space_of
    from runner.schedulers.choice import make_scheduler
    from runner.searchers.choice import make_searcher, planned_trials

    if results.state != "done" or results.planned is None:
        return False
    space, scheduler = space_of(job), make_scheduler(job, results.fidelity)
    searcher = make_searcher(job, space, scheduler)
    return planned_trials(job.search.trials, space, scheduler, searcher) > results.planned


@contextmanager
def claimed(standing: Standing, job: Job, *, fresh: bool, heir: bool = False) -> Iterator[Lease[SweepFolder]]:
    """Holds the sweep's lease, its folder made the job's; whatever ``fresh`` replaces is gone.

    A request to stop that was made of one before is forgotten, but by an ``heir``: that one may have died
    before it heard.

    Raises:
        ClusterError: the storage cannot be written, or another process was faster.
    """
    from jobs.jobfile import dump_job

    folder = standing.folder
    folder.storage.check_writable()
    if fresh and standing.exists:
        Lease(folder).take()  # which goes with the rest
        folder.remove()
    with holding(folder, () if heir else (folder.STOP,)) as lease:
        if folder.exists() and (fresh or not standing.exists):
            raise ClusterError(
                f"sweep {folder.name} was begun by another process a moment ago; choose another --name"
            )
        if fresh or not standing.exists or standing.extended or standing.moved:
            folder.begin(dump_job(job).encode())
        yield lease


def warn(text: str) -> None:
    """Say something on stderr that is no error."""
    click.echo(f"Note: {text}", err=True)


def typed(folder: SweepFolder) -> str:
    """What a user types for the sweep: its name, where a command that names no storage looks there."""
    return folder.name if folder.storage.uri == open_storage(None).uri else shlex.quote(folder.uri)
