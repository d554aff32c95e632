"""Ray for the length of a ``with`` block: a cluster of our own on this machine, or one that runs already."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cluster.autoscaler import ask_for, has_autoscaler
from cluster.errors import ClusterError
from cluster.lifeline import joined_ray_lives, own_ray_lives
from cluster.patches import any_agent_port, no_helpers, no_last_words, no_signal_handlers
from cluster.probe import find_cluster, joining
from cluster.processes import Process, descendants, kill, users, wait_gone
from cluster.scratch import scratch_folder
from cluster.watchdog import watched

NAMESPACE = "recur"
STOP_SECONDS = 5.0
OBJECT_STORE_BYTES = 128 * 2**20  # the panel is not in it

_QUIET: dict[str, str | None] = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
    "PYTHONBREAKPOINT": None,  # Ray puts its own debugger there, for good
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else Ray warns; blank CUDA_VISIBLE_DEVICES hides GPUs here
}
_LOCAL: dict[str, str | None] = {
    "RAY_AUTH_MODE": "token",  # Ray listens on every interface, so our own cluster needs a lock too
    "RAY_AUTH_TOKEN": None,  # the session's token file takes its place
    "RAY_ADDRESS": None,  # Ray would join that one instead
    "RAY_enable_metrics_collection": "0",  # nobody scrapes a session
}


@dataclass(frozen=True)
class Node:
    """One living node of a Ray cluster, and what trials may take of it."""

    id: str
    cpus: int
    gpus: int


@dataclass(frozen=True)
class Session:
    """A Ray that can be used now, and what it has to offer.

    Attributes:
        nodes: that it had when it was entered.
        joined: whether it ran before and is others' too: its nodes come and go.
        lives: whether it can still be used.
        now: its nodes as they are.
        ask_for: has its autoscaler make room for such bundles; None where it has none.
    """

    address: str
    nodes: tuple[Node, ...]
    joined: bool
    lives: Callable[[], bool] = field(compare=False)
    now: Callable[[], tuple[Node, ...]] = field(compare=False)
    ask_for: Callable[[Sequence[Mapping[str, float]]], None] | None = field(default=None, compare=False)


@contextmanager
def session(
    *, address: str | None = None, cpus: int | None = None, gpus: int = 0, temp: Path | None = None
) -> Iterator[Session]:
    """Start a Ray on this machine, or join the one at ``address``; leave nothing behind at the end.

    Ours ends with the thread that entered the block, however that ends, SIGKILL included.

    Args:
        address: ``host:port`` of a running cluster's head, or ``auto``, or what ``find_cluster`` found; None
            starts one here.
        cpus: how many trials' worth of cores ours has (None: every core); a joined cluster has its own.
        gpus: how many GPUs ours has; with 0 no process of it sees one.
        temp: where ours puts its folder, an absolute path of at most 40 characters; None: the machine's.

    Raises:
        ClusterError: when Ray cannot be started here, or the cluster cannot be joined, within 15 s or so.

    Example:
        >>> with session(cpus=2) as ray_session:
        ...     print(ray_session.cpus)
    """
    with ExitStack() as stack:
        if address is None:
            folder = stack.enter_context(scratch_folder(temp))
            stack.enter_context(_environment(_QUIET | _LOCAL | _token(folder) | _visible(gpus)))
            stack.enter_context(watched(folder))
            yield stack.enter_context(_started(folder, cpus, gpus))
        else:
            stack.enter_context(_environment(_QUIET | joining()))
            yield stack.enter_context(_joined(address))


@contextmanager
def _started(folder: Path, cpus: int | None, gpus: int) -> Iterator[Session]:
    before = set(descendants(os.getpid()))
    ours: list[Process] = []
    try:
        with _refusal("Ray could not be started on this machine"), any_agent_port(), no_helpers():
            found = _init(
                folder,
                own_ray_lives,
                address="local",
                num_cpus=cpus,
                num_gpus=gpus,
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                _temp_dir=str(folder),
            )
        ours = _since(before)
        yield found
    finally:
        _stop(ours or _since(before))
        kill(users(folder, but=os.getpid()))  # orphans, if the raylet died before them


def _since(before: set[Process]) -> list[Process]:
    return [process for process in descendants(os.getpid()) if process not in before]


def _stop(ours: list[Process]) -> None:
    """End our Ray and everything its workers started since; what the caller started stays."""
    import ray

    ours = ours + descendants(*(process.pid for process in ours))
    ray.shutdown()
    kill(wait_gone(ours, STOP_SECONDS))


@contextmanager
def _joined(address: str) -> Iterator[Session]:
    import ray

    found = str(find_cluster(address))  # Ray takes no subclass
    try:
        with (
            _refusal(f"the Ray cluster at {found} could not be joined"),
            tempfile.TemporaryDirectory(prefix="recur-") as empty,
        ):
            joined = _init(Path(empty), joined_ray_lives, address=found, namespace=NAMESPACE)
        yield joined
    finally:
        ray.shutdown()


def _init(away: Path, lives: Callable[[], bool], **options: Any) -> Session:
    """``ray.init`` from a folder that holds no modules, silent and with the caller's signal handlers kept."""
    import ray

    _reread_authentication()
    kept = signal.getsignal(signal.SIGTERM)
    with contextlib.chdir(away), no_signal_handlers(), no_last_words():
        # Ray puts the working directory on its workers' path, where a user's own jobs.py would hide ours.
        context = ray.init(log_to_driver=False, logging_level="ERROR", configure_logging=True, **options)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, kept)  # Ray puts one of its own in its place
    joined = "namespace" in options
    ask = ask_for if joined and has_autoscaler() else None
    return Session(context.address_info["gcs_address"], living_nodes(), joined, lives, living_nodes, ask)


def living_nodes() -> tuple[Node, ...]:
    """The nodes of the Ray that this process is attached to."""
    import ray

    found = ((node["NodeID"], node["Resources"]) for node in ray.nodes() if node["Alive"])
    return tuple(Node(name, int(has.get("CPU", 0)), int(has.get("GPU", 0))) for name, has in found)


@contextmanager
def _refusal(what: str) -> Iterator[None]:
    """Ray gives up with exceptions of a dozen kinds, SystemExit among them: one sentence for all."""
    try:
        yield
    except (Exception, SystemExit) as error:
        if isinstance(error, SystemExit) and error.code == signal.SIGTERM:
            raise KeyboardInterrupt from None  # Ray's own handler of the signal, while it starts
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ClusterError(f"{what}: {reason}") from error


def _reread_authentication() -> None:
    """Ray reads mode and token once for a process; we may be its second session."""
    from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined] # its types list half of it

    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


@contextmanager
def _environment(changes: Mapping[str, str | None]) -> Iterator[None]:
    """Set (or with None, unset) variables for Ray and all it starts; put back what was there."""
    kept = {name: os.environ.get(name) for name in changes}
    _set(changes)
    try:
        yield
    finally:
        _set(kept)


def _set(changes: Mapping[str, str | None]) -> None:
    for name, value in changes.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _visible(gpus: int) -> dict[str, str]:
    """Without this a worker sees every GPU although it was given none (ray#54868)."""
    return {} if gpus else {"CUDA_VISIBLE_DEVICES": ""}


def _token(folder: Path) -> dict[str, str]:
    """A token that nobody else knows, in a file: unlike a variable, it is in no worker's environment."""
    path = folder / "token"
    path.touch(mode=0o600)
    path.write_text(secrets.token_hex(32), encoding="ascii")
    return {"RAY_AUTH_TOKEN_PATH": str(path)}
