"""One sweep, from a job to its published best."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from cluster.errors import ClusterError
from cluster.gpus import find_gpus
from cluster.lease import Lease
from cluster.session import Session, session
from cluster.storage import SweepFolder
from jobs.built import Built
from jobs.errors import JobError
from jobs.fidelity import Fidelity, fidelity_of
from jobs.jobfile import dump_job
from jobs.panel import Panel
from jobs.params import resolve, space_of
from jobs.spec import Job
from jobs.trainstate import TrainState
from jobs.usercode import code_of, modules_of
from runner.beginning import beginning, find_sources
from runner.conductor import Conductor
from runner.data import fingerprint_of
from runner.errors import Interrupted
from runner.exam import Exam
from runner.journal import VERSION, Event, read_journal
from runner.legs import LegConfig
from runner.publish import best_model, check_model, finite, origin_of, publish_best, versions
from runner.results import Results
from runner.schedulers.choice import make_scheduler
from runner.schedulers.rule import Scheduler
from runner.searchers.choice import make_searcher, planned_trials
from runner.signals import stop_on_signals
from runner.stopping import StopRequest
from runner.table import trials_parquet
from runner.tidy import Tidy
from runner.tuning import Room, quieten_tune, run_legs
from runner.upkeep import Upkeep
from runner.warm import warm_model
from runner.writer import Journal

Watch = Callable[[Conductor, str], None]
_LEAST_SILENCE = 600.0  # seconds that the exam may be silent: it first goes through all of the data


@dataclass(frozen=True)
class Place:
    """Where a sweep runs.

    Attributes:
        workers: trials at a time; None for as many as the cluster has room for.
        address: of a running Ray cluster; None starts one here.
        heir: whether it follows a run that may have died, so that what was asked of that one holds.
    """

    workers: int | None = None
    address: str | None = None
    heir: bool = False


def run_sweep(
    job: Job, lease: Lease[SweepFolder], panel: Panel, place: Place, watch: Watch, *, retry: bool = False
) -> Results:
    """Run or resume a sweep until it is finished.

    Args:
        job: what to search.
        lease: held, of the folder where everything found is kept.
        panel: the job's, mapped from this node's cache.
        place: where to run.
        watch: is told of every phase and event.
        retry: begin failed trials once more.

    Raises:
        Interrupted: SIGINT or SIGTERM came; what was found is kept.
        ClusterError: another process took the sweep over, or its storage or cluster fails.
    """
    folder = lease.folder
    with Upkeep(folder, lease.check):
        request = StopRequest(folder, lease.check, heir=place.heir)
        sweep = _Sweep(job, folder, panel, place, watch, request)
        return sweep.run(lease, retry=retry)


@dataclass(frozen=True)
class _Sweep:
    """One process's run of a sweep."""

    job: Job
    folder: SweepFolder
    panel: Panel
    place: Place
    watch: Watch
    request: StopRequest

    def run(self, lease: Lease[SweepFolder], *, retry: bool) -> Results:
        """Replay the journal, go on from there, publish the best."""

        def tick() -> None:
            lease.renew()
            self.request.look()

        past = read_journal(self.folder)
        _check_version(past, self.folder)
        journal = Journal(self.folder, tick=tick)
        try:
            conductor = self._replay(past, journal)
            del past  # a long sweep's takes much memory
            if retry:
                for trial in conductor.results.failures():
                    self.folder.delete(self.folder.checkpoint(trial.id))  # else it would go on from there
                conductor.retry()
            self.request.tell(conductor)
            state = self._train_and_publish(conductor, journal)
        finally:
            try:
                journal.close()
            finally:
                self.request.close()
        if state == "interrupted":
            raise Interrupted
        return conductor.results

    def _replay(self, past: list[Event], journal: Journal) -> Conductor:
        """Begin this process's part of the journal; stand where all of it ends."""
        fidelity = _recorded(past) or fidelity_of(self.job, self.panel)
        space, scheduler = space_of(self.job), make_scheduler(self.job, fidelity)
        searcher = make_searcher(self.job, space, scheduler)
        start: Event = {
            "event": "start",
            "version": VERSION,
            "time": time.time(),
            "versions": versions(),
            "planned": planned_trials(self.job.search.trials, space, scheduler, searcher),
            "fidelity": fidelity.to_json(),
            "fingerprint": fingerprint_of(self.panel),
            "code": code_of(self.job),
        }
        begun = [start]
        if not any(event["event"] == "given" for event in past):
            begun.append(self._beginning(scheduler, fidelity))
        for event in begun:
            journal.append(event)
        return Conductor(self.job, searcher, scheduler, journal, [*past, *begun], self._inherit)

    def _beginning(self, scheduler: Scheduler, fidelity: Fidelity) -> Event:
        """What to begin with, once and for all: earlier sweeps may be gone when this one is resumed."""
        own = self.job.search.algorithm == "hyperband"  # whose rungs are not known before its trials
        rungs = () if own else scheduler.milestones(0)
        sources = find_sources(self.job, self.folder.storage)
        warm = warm_model(self.job, sources)
        return beginning(self.job, sources, rungs, fidelity) | ({"warm": warm} if warm else {})

    def _inherit(self, donor: str, heir: str) -> None:
        """Have a trial go on from the weights that another has saved; without them it keeps its own."""
        paths = [self.folder.state(trial) for trial in (donor, heir)]
        if all(map(self.folder.exists, paths)):
            with suppress(JobError):  # one is damaged
                theirs, own = (TrainState.from_bytes(self.folder.read(path)) for path in paths)
                self.folder.write(paths[1], own.inherited(theirs).to_bytes())

    def _train_and_publish(self, conductor: Conductor, journal: Journal) -> str:
        state = "failed"
        try:
            self.watch(conductor, "starting Ray")
            with stop_on_signals(conductor, self.request):
                exam = Exam(lambda: self._to_score(conductor))
                state = self._train(conductor, exam, journal)
            self.watch(conductor, "publishing the best")
            journal.flush()  # before what its ends leave over is deleted
            self._publish(conductor, exam, journal, done=state == "done")
        except KeyboardInterrupt:
            state = "interrupted"
        except BaseException:
            state = "failed"
            raise
        finally:
            finish: Event = {"event": "finish", "state": state, "time": time.time()}
            journal.append(finish)
            conductor.results.apply(finish)
            self.folder.write(self.folder.TRIALS, trials_parquet(conductor.results))
            if not self.folder.files(self.folder.LOGS):
                self.folder.delete(self.folder.LOGS)
        return state

    def _train(self, conductor: Conductor, exam: Exam, journal: Journal) -> str:
        """Run every leg there is, then the exam; return the state that the sweep is in afterwards."""
        if not (conductor.finished and exam.over):
            resources = self.job.resources
            wanted = self.place.workers * resources.cpu if self.place.workers else None
            cards = len(find_gpus()) if resources.gpu and self.place.address is None else 0
            quieten_tune()
            with session(address=self.place.address, cpus=wanted, gpus=cards) as ray:
                self.watch(conductor, "training")
                room = Room(ray, resources, self.place.workers, lambda: self._given_up(conductor))
                self._tune(conductor, exam, journal, ray, room)
        if conductor.complete and not exam.interrupted:
            return "done" if conductor.results.best() else "failed"
        if self.request.heard:
            return "stopped"
        return "interrupted" if conductor.stopping else "failed"

    def _given_up(self, conductor: Conductor) -> bool:
        """Whether the sweep is to end while it still waits for room."""
        self.request.look()
        return conductor.stopping or conductor.draining

    def _tune(self, conductor: Conductor, exam: Exam, journal: Journal, ray: Session, room: Room) -> None:
        limit = self.job.resources.disk_gb
        tidy = Tidy(self.folder, conductor, limit * 1e9 if limit else None, journal)

        def tick() -> None:
            conductor.widest = room.widest
            journal.check()
            tidy.look()
            self.watch(conductor, "training")

        config = LegConfig(
            job=dump_job(self.job),
            sweep=self.folder.uri,
            panel=str(self.panel.folder),
            backend=self.job.backend,
            resources=self.job.resources,
            modules=modules_of(self.job),
            own_code=isinstance(self.job.model, Built),
            warm=conductor.state.warm,
        )
        run_legs(conductor, exam, config, ray=ray, room=room, tick=tick)

    def _to_score(self, conductor: Conductor) -> dict[str, Any] | None:
        """The order to score the best model on the test part; None while there is more to train."""
        found = best_model(self.folder, conductor.results) if conductor.complete else None
        if found is None:
            return None
        return {
            "do": "score",
            "params": resolve(self.job, found.values).to_json(),
            "model": self.folder.model(found.trial.id, found.epoch),
            "gpu": found.trial.gpu or self.job.resources.gpu,
            "cpu": found.trial.cpu or self.job.resources.cpu,
            "heartbeat": max(_LEAST_SILENCE, conductor.heartbeat(found.trial)),
        }

    def _publish(self, conductor: Conductor, exam: Exam, journal: Journal, *, done: bool) -> None:
        results = conductor.results
        found = best_model(self.folder, results)
        if found is not None:
            check_model(self.folder, found)
            origin = origin_of(self.job, self.panel, found, results)
            if done:
                scored: Event = {
                    "event": "scored",
                    "trial": found.trial.id,
                    "epoch": found.epoch,
                    "scores": finite(exam.scores()),
                    "error": exam.error,
                    "signature": origin.signature,
                }
                journal.append(scored)
                results.apply(scored)
                journal.flush()  # of the test part there is no second look
            publish_best(self.folder, self.job, found, origin, exam.scores(), exam.error)
            if done:
                Tidy(self.folder, conductor, None).finish(found.trial.id, found.epoch)
        elif done and results.best():
            raise ClusterError(
                f"{self.folder.uri} holds no model, though trials have ended; "
                "see that it is the same storage on every node"
            )


def _check_version(past: list[Event], folder: SweepFolder) -> None:
    """See that no later Recur has run the sweep: its events may mean what this one does not know.

    Raises:
        ClusterError: one has.
    """
    latest = max((event["version"] for event in past if event["event"] == "start"), default=VERSION)
    if latest > VERSION:
        raise ClusterError(
            f"{folder.uri} was run by a later version of Recur (its journal is of version {latest}, this one "
            f"writes {VERSION}); run it with that one, or choose another --name"
        )


def _recorded(past: list[Event]) -> Fidelity | None:
    """What an epoch was when the sweep began, whatever its data are now; a pass, in old journals."""
    starts = (event for event in past if event["event"] == "start")
    return next((Fidelity(**event.get("fidelity", {})) for event in starts), None)
