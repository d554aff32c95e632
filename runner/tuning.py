"""Running a sweep's legs by Ray Tune, of which nothing is heard, kept or restored."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext

from cluster.errors import ClusterError
from cluster.patches import plain_actors
from cluster.scratch import scratch_folder
from cluster.session import Node, Session
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

_FIRST_NODE = 120.0  # seconds that a cluster which was joined may take to have room for a trial
_NEW_NODE = 900.0  # the same, where they are started when they are asked for
_MOST_ASKED = 1000  # trials; an autoscaler looks at no more
_TOGETHER = 30.0  # seconds within which all that was on a node is told to have gone
_LOOK_SECONDS = 2.0  # between two looks at its nodes


def run_legs(
    conductor: Conductor,
    exam: Exam,
    config: LegConfig,
    *,
    ray: Session,
    room: Room,
    tick: Callable[[], None],
) -> None:
    """Run every leg there is, then the exam.

    Args:
        conductor: says which, and is told what comes of them.
        exam: see there.
        config: what is the same for every leg.
        ray: where.
        room: for so many legs at a time.
        tick: is called after each event.

    Raises:
        ClusterError: Ray has died.
    """
    load_tune()
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # a lost actor is a traceback there
    from ray import tune

    from runner.actor import LegRunner
    from runner.trials import LegScheduler, LegSource, Unheard

    silence = Silence(ray.lives, joined=ray.joined)
    source = LegSource(conductor, config, exam, room.now, silence)
    try:
        with scratch_folder(None) as scratch, nullcontext() if ray.joined else plain_actors():
            tune.run(
                LegRunner,
                name="tune",
                storage_path=str(scratch),  # nothing of what Tune writes there is kept
                search_alg=source,
                scheduler=LegScheduler(conductor, source, exam, tick, silence, room.lost_node),
                callbacks=[Unheard()],
                reuse_actors=True,
                raise_on_failed_trial=False,
                verbose=0,
            )
    except RayGone as gone:
        raise ClusterError(str(gone)) from None
    finally:
        room.close()


def quieten_tune() -> None:
    """Tell Tune to be quiet; the processes of a Ray that is started afterwards are told so too."""
    os.environ.update(_QUIET_TUNE)


def load_tune() -> None:
    """Import Ray Tune, which takes seconds: whoever waits for another process can do so meanwhile."""
    quieten_tune()
    import ray.tune  # noqa: F401


class Room:
    """How many trials fit into a cluster at a time, as its nodes come and go."""

    def __init__(
        self,
        ray: Session,
        resources: Resources,
        most: int | None,
        given_up: Callable[[], bool] = lambda: False,
    ) -> None:
        """``most``: trials at a time, whatever there is room for; ``given_up``: nobody waits for room.

        Raises:
            ClusterError: there is no room for even one, nor does any come to a cluster that was joined.
        """
        self._ray, self._resources, self._most = ray, resources, most
        self._asked, self._nodes, self._lost = time.monotonic(), ray.nodes, float("-inf")
        self._wanted = 0
        deadline = self._asked + (_NEW_NODE if ray.ask_for else _FIRST_NODE if ray.joined else 0.0)
        while not self._fitting() and not given_up():
            self._want(1)
            if time.monotonic() > deadline:
                self.close()
                raise ClusterError(_too_small(self._nodes, resources, grows=ray.ask_for is not None))
            time.sleep(1.0)
            self._nodes = ray.now()

    def now(self, wanted: int) -> int:
        """Trials at a time; those that run already may be more, when a node has gone.

        As many as are ``wanted`` are asked for where there is an autoscaler.
        """
        if self._ray.joined and time.monotonic() - self._asked > _LOOK_SECONDS:
            self._asked = time.monotonic()
            self.lost_node()
            self._want(wanted)
        return self._fitting()

    def close(self) -> None:
        """Ask for nothing any more."""
        self._want(0)

    def _want(self, trials: int) -> None:
        trials = min(trials, _MOST_ASKED, *([self._most] if self._most is not None else []))
        if self._ray.ask_for is None or trials == self._wanted:
            return
        self._wanted, gpu = trials, self._resources.gpu
        bundle = {"CPU": float(self._resources.cpu)} | ({"GPU": gpu} if gpu else {})
        self._ray.ask_for([bundle] * trials)

    def lost_node(self) -> bool:
        """Whether a node has gone a moment ago: what is lost now may have been on it."""
        before, self._nodes = {node.id for node in self._nodes}, self._ray.now()
        if before - {node.id for node in self._nodes}:
            self._lost = time.monotonic()
        return time.monotonic() - self._lost < _TOGETHER

    @property
    def widest(self) -> int:
        """Cores of the node that has most."""
        return max((node.cpus for node in self._nodes), default=0)

    def _fitting(self) -> int:
        found = sum(_fitting(node, self._resources) for node in self._nodes)
        return found if self._most is None else min(found, self._most)


def _fitting(node: Node, resources: Resources) -> int:
    beside = node.cpus // resources.cpu
    if not resources.gpu:
        return beside
    on_a_card = int(1 / resources.gpu + 1e-9)  # a trial is never spread over two
    return min(beside, node.gpus * on_a_card)


def _too_small(nodes: Sequence[Node], resources: Resources, *, grows: bool) -> str:
    if grows:
        gpu = f" and {resources.gpu:g} of a GPU" if resources.gpu else ""
        return (
            f"resources: no node with room for a trial ({resources.cpu} cores{gpu}) was started within "
            f"{_NEW_NODE / 60:.0f} minutes; see the autoscaler's log, or ask for less"
        )
    widest = max((node.cpus for node in nodes), default=0)
    if resources.gpu and not any(node.gpus for node in nodes):
        return (
            f"resources.gpu: a trial asks for {resources.gpu:g} of a GPU and the cluster has none; "
            "write gpu: 0"
        )
    return (
        f"resources.cpu: a trial asks for {resources.cpu} cores and the cluster has {widest} on a node; "
        "ask for fewer"
    )
