"""The job of one run: the schedule's, of its data at that time, beginning from what is known already."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.clusterfile import Cluster
from cluster.errors import ClusterError, StorageAwayError
from cluster.scheduledocs import Run, sweep_name
from cluster.schedules import ScheduleFolder
from cluster.storage import SweepFolder
from jobs.schedulespec import Promote, Rules
from jobs.spec import Job
from jobs.where import moves
from runner.launch import read_spec
from runner.publish import check_best
from runner.recurring.desk import Desk, cluster_of
from runner.recurring.pointer import read_champion

_LATEST = 3  # sweeps that are learnt from, besides the champion's


@dataclass(frozen=True)
class Nightly:
    """What a run works with.

    Attributes:
        given: the schedule's job, with its rules.
        job: the sweep's.
        sweep: its folder.
        cluster: where it runs; None for here.
    """

    given: Job
    job: Job
    sweep: SweepFolder
    cluster: Cluster | None

    @classmethod
    def of(cls, desk: Desk, run: Run) -> Nightly:
        """The job of a run; one that has begun goes on with what it began with.

        Raises:
            JobError, ClusterError: the definition is not valid any more, or cannot be read.
        """
        folder = desk.folder
        given, sweep = desk.job(), folder.storage.sweep(run.sweep)
        if sweep.exists():
            before = read_spec(sweep)
            as_of, sources = before.data.as_of, before.search.start_from
        else:
            as_of = (run.as_of or _moment(desk, run)) if moves(given.data.where) else None
            sources = _sources(desk, run, given)
        job = given.model_copy(
            update={
                "name": run.sweep,
                "data": given.data.model_copy(update={"as_of": as_of}),
                "search": given.search.model_copy(update={"start_from": sources}),
                # The first night has nothing to begin with.
                "train": given.train.model_copy(
                    update={"warm_weights": given.train.warm_weights and bool(sources)}
                ),
                "schedule": Rules(),
                "promote": Promote(),
                "notify": (),
            }
        )
        return cls(given, job, sweep, cluster_of(folder))


def _moment(desk: Desk, run: Run) -> str:
    """The tick's, by the clocks of the schedule's zone."""
    zone = desk.folder.definition().calendar.tz
    return f"{run.tick.astimezone(zone).isoformat()}[{zone.key}]"


def _sources(desk: Desk, run: Run, given: Job) -> tuple[str, ...]:
    """The sweeps to begin from: the champion's, the latest of the schedule, those that the job names."""
    if given.search.algorithm == "hyperband":  # which chooses every configuration itself
        return ()
    storage, champion = desk.folder.storage, read_champion(desk.folder)
    first = [champion.sweep] if champion else []
    latest = [name for name in own_sweeps(desk.folder) if name != run.sweep][-_LATEST:]
    own = (name for name in dict.fromkeys([*first, *reversed(latest)]) if _is_whole(storage.sweep(name)))
    return tuple(dict.fromkeys([*own, *given.search.start_from]))


def _is_whole(sweep: SweepFolder) -> bool:
    """Whether a sweep is there with a published best that can be begun from."""
    try:
        check_best(sweep)
    except StorageAwayError:
        raise
    except ClusterError:
        return False
    return sweep.exists()


def own_sweeps(folder: ScheduleFolder) -> list[str]:
    """The sweeps that the schedule has begun, as far as its history goes back; the oldest first."""
    records, _ = folder.history()
    begun = [(record.sweep, record.tick) for record in records if record.event == "started"]
    ours = (name for name, tick in begun if name and tick and name == sweep_name(folder.schedule, tick))
    return list(dict.fromkeys(ours))
