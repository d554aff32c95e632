"""One sweep, from a job to its published best."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from cluster.errors import ClusterError
from cluster.lease import Lease
from cluster.session import Session, session
from cluster.storage import SweepFolder
from jobs.jobfile import dump_job
from jobs.panel import Panel
from jobs.params import resolve, space_of
from jobs.spec import Job
from runner.conductor import Conductor
from runner.data import scratch_root
from runner.errors import Interrupted
from runner.journal import VERSION, Event, Journal, read_journal
from runner.process import WorkerProcess
from runner.publish import Scores, best_model, publish_best, versions
from runner.results import Results, Trial, trials_parquet
from runner.schedulers import make_scheduler
from runner.search import RandomSearch

_QUIET_TUNE = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths mean what they meant to the user
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the journal is the log
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # signals are ours
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",  # nothing of Tune's own is ever restored
    "TUNE_MAX_PENDING_TRIALS_PG": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}

Watch = Callable[[Conductor, str], None]


@dataclass(frozen=True)
class Place:
    """Where a sweep runs.

    Attributes:
        workers: trials at a time; None for as many as the cluster has room for.
        address: of a running Ray cluster; None starts one here.
    """

    workers: int | None = None
    address: str | None = None


def run_sweep(job: Job, folder: SweepFolder, panel: Panel, place: Place, watch: Watch) -> Results:
    """Run or resume a sweep until it is finished; ``watch`` is told of every phase and event.

    Raises:
        Interrupted: SIGINT or SIGTERM came; what was found is kept.
        ClusterError: another process runs this sweep, or its storage or cluster fails.
    """
    lease = Lease(folder)
    lease.take()
    try:
        past = read_journal(folder)
        journal = Journal(folder, tick=lease.renew)
        try:
            return _run(job, folder, panel, place, watch, past, journal)
        finally:
            journal.close()
    finally:
        lease.release()


def _run(
    job: Job, folder: SweepFolder, panel: Panel, place: Place, watch: Watch, past: list[Event], journal: Journal
) -> Results:
    start = {"event": "start", "version": VERSION, "time": time.time(), "versions": versions()}
    journal.append(start)
    space = space_of(job)
    searcher = RandomSearch(space, job.search.seed)
    conductor = Conductor(job, space, searcher, make_scheduler(job), [*past, start], journal)
    scratch = Path(tempfile.mkdtemp(prefix="recur-", dir=scratch_root()))
    state = "failed"
    try:
        watch(conductor, "starting Ray")
        panel.save(scratch / "panel")
        with _stop_on_signals(conductor):
            state = _train(job, folder, conductor, place, scratch, watch)
        watch(conductor, "publishing the best")
        _publish(job, folder, panel, conductor.results, scratch, scored=state == "done")
    except KeyboardInterrupt:
        state = "interrupted"
    except BaseException:
        state = "failed"
        raise
    finally:
        finish = {"event": "finish", "state": state, "time": time.time()}
        journal.append(finish)
        conductor.results.apply(finish)
        folder.write(folder.TRIALS, trials_parquet(conductor.results))
        shutil.rmtree(scratch, ignore_errors=True)
    if state == "interrupted":
        raise Interrupted
    return conductor.results


def _train(
    job: Job, folder: SweepFolder, conductor: Conductor, place: Place, scratch: Path, watch: Watch
) -> str:
    """Run every leg there is; return the state that the sweep is in afterwards."""
    if not conductor.finished:
        cpu = job.resources.cpu
        wanted = place.workers * cpu if place.workers else None
        with session(address=place.address, cpus=wanted) as ray:
            workers = place.workers or max(1, int(ray.cpus) // cpu)
            _check_room(ray, cpu)
            watch(conductor, "training")
            _tune(job, folder, conductor, workers, scratch, watch)
    if conductor.complete:
        return "done" if conductor.results.best() else "failed"
    return "interrupted" if conductor.stopping else "failed"


def _check_room(ray: Session, cpu: int) -> None:
    if cpu > ray.cpus:
        raise ClusterError(
            f"resources.cpu: a trial asks for {cpu} cores and the cluster has {int(ray.cpus)}; ask for fewer"
        )


def _tune(
    job: Job, folder: SweepFolder, conductor: Conductor, workers: int, scratch: Path, watch: Watch
) -> None:
    os.environ.update(_QUIET_TUNE)
    from ray import tune

    from runner.trials import LegConfig, LegRunner, LegScheduler, LegSource

    def tick() -> None:
        _drop(folder, conductor)
        watch(conductor, "training")

    config = LegConfig(
        job=dump_job(job),
        sweep=folder.uri,
        panel=str(scratch / "panel"),
        backend=job.backend,
        cpu=job.resources.cpu,
    )
    tune.run(
        LegRunner,
        name="tune",
        storage_path=str(scratch),
        search_alg=LegSource(conductor, config, workers),
        scheduler=LegScheduler(conductor, tick),
        reuse_actors=True,
        raise_on_failed_trial=False,
        verbose=0,
    )


def _drop(folder: SweepFolder, conductor: Conductor) -> None:
    """Delete the checkpoints that no decision can need any more."""
    while conductor.dropped:
        folder.delete(folder.checkpoint(conductor.dropped.pop()))


def _publish(
    job: Job, folder: SweepFolder, panel: Panel, results: Results, scratch: Path, *, scored: bool
) -> None:
    trial = best_model(folder, results)
    if trial is not None:
        scores = _score(job, folder, trial, scratch) if scored else None
        publish_best(folder, job, panel, trial, scores)


def _score(job: Job, folder: SweepFolder, trial: Trial, scratch: Path) -> Scores:
    """Score the saved model on the test part, in a process of its own: this one has no Keras."""
    worker = WorkerProcess(backend=job.backend, threads=1)
    try:
        order: dict[str, Any] = {
            "do": "score",
            "job": dump_job(job),
            "sweep": folder.uri,
            "panel": str(scratch / "panel"),
            "params": resolve(job, trial.values).to_json(),
            "model": folder.model(trial.id),
        }
        worker.send(order)
        message = worker.receive() or {}
        if message["say"] != "scored":
            raise ClusterError(f"the test part could not be scored: {message['error']}")
        scores: Scores = message["scores"]
        return scores
    finally:
        worker.close()


@contextmanager
def _stop_on_signals(conductor: Conductor) -> Iterator[None]:
    """Turn the first SIGINT or SIGTERM into a stop that saves; the second ends the process at once."""

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        if conductor.stopping:
            raise KeyboardInterrupt
        conductor.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
