"""Running a sweep's legs by Ray Tune, of which nothing is heard, kept or restored."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

from cluster.errors import ClusterError
from cluster.scratch import scratch_folder
from cluster.session import Session
from jobs.spec import Resources
from runner.conductor import Conductor
from runner.exam import Exam
from runner.legs import LegConfig
from runner.silence import RayGone, Silence

_QUIET_TUNE = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths mean what they meant to the user
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the journal is the log
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # signals are ours
    "TUNE_FORCE_TRIAL_CLEANUP_S": "10",  # an actor that does not stop has had its time; the default is 600
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",  # nothing of Tune's own is ever restored
    "TUNE_MAX_PENDING_TRIALS_PG": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}


def run_legs(
    conductor: Conductor,
    exam: Exam,
    config: LegConfig,
    *,
    ray: Session,
    workers: int,
    tick: Callable[[], None],
) -> None:
    """Run every leg there is, then the exam.

    Args:
        conductor: says which, and is told what comes of them.
        exam: see there.
        config: what is the same for every leg.
        ray: where.
        workers: legs at a time.
        tick: is called after each event.

    Raises:
        ClusterError: Ray has died.
    """
    os.environ.update(_QUIET_TUNE)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # a lost actor is a traceback there
    from ray import tune

    from runner.actor import LegRunner
    from runner.trials import LegScheduler, LegSource

    silence = Silence(ray.lives)
    source = LegSource(conductor, config, exam, workers, silence)
    try:
        with scratch_folder(None) as scratch:
            tune.run(
                LegRunner,
                name="tune",
                storage_path=str(scratch),  # nothing of what Tune writes there is kept
                search_alg=source,
                scheduler=LegScheduler(conductor, source, exam, tick, silence),
                reuse_actors=True,
                raise_on_failed_trial=False,
                verbose=0,
            )
    except RayGone as gone:
        raise ClusterError(str(gone)) from None


def room(ray: Session, resources: Resources) -> int:
    """How many trials fit into a cluster at a time.

    Raises:
        ClusterError: not even one.
    """
    if resources.cpu > ray.cpus:
        raise ClusterError(
            f"resources.cpu: a trial asks for {resources.cpu} cores and the cluster has {ray.cpus}; "
            "ask for fewer"
        )
    if not resources.gpu:
        return ray.cpus // resources.cpu
    if not ray.gpus:
        raise ClusterError(
            f"resources.gpu: a trial asks for {resources.gpu:g} of a GPU and the cluster has none; "
            "write gpu: 0"
        )
    on_a_card = int(1 / resources.gpu + 1e-9)  # a trial is never spread over two
    return min(ray.cpus // resources.cpu, ray.gpus * on_a_card)
