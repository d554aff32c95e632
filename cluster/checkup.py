"""What one node has to offer, looked at on the node itself."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path

import pyarrow as pa
from pyarrow import fs as pafs

from cluster.cache import cache_folder
from cluster.errors import ClusterError
from cluster.files import open_filesystem
from cluster.folder import Folder
from cluster.gpus import find_gpus
from cluster.memory import node_bytes
from cluster.references import redacted, take_up
from cluster.storage import Storage

PACKAGES = ("recur-tune", "ray", "keras", "keras-tuner", "tensorflow", "jax", "numpy", "pandas", "pyarrow")


@dataclass(frozen=True)
class Asked:
    """What is to be looked at.

    Attributes:
        probe: a folder in the storage, with a file ``seed`` that holds its own name.
        data: the URI of the shards; None for no look at them.
        peers: ``host:port`` of every node's raylet, and of the head.
    """

    storage: str
    probe: str
    data: str | None = None
    peers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Facts:
    """What was found on one node.

    Attributes:
        clock: seconds since 1970.
        disk, cache, shm: bytes that are free for temporary files, the cache and in shared memory.
        gpus: names of the cards.
        busy: those whose memory others use.
        problems: sentences on what cannot be used here.
        checks: which of ``storage``, ``data``, ``ports`` and ``token`` were looked at, and are well.
        shards: files of the data that are seen from here.
    """

    host: str
    python: str
    packages: dict[str, str]
    clock: float
    cpus: int
    memory: int
    disk: int
    cache: int
    shm: int
    gpus: tuple[str, ...]
    busy: tuple[str, ...]
    problems: tuple[str, ...] = field(default=())
    checks: dict[str, bool] = field(default_factory=dict)
    shards: int = 0


def examine(asked: Asked, name: str) -> Facts:
    """Look at this node; ``name`` is what its file in the probe is called."""
    host, problems = socket.gethostname(), list[str]()
    seen: list[int] = []
    _try(problems, take_up)
    checks = {"storage": _try(problems, lambda: _use_storage(asked, name))}
    if asked.data is not None:
        uri = asked.data
        checks["data"] = _try(problems, lambda: seen.append(_read_data(uri)))
    if asked.peers:
        closed = _unreachable(asked.peers)
        checks["ports"] = not closed
        problems += closed
    cache = 0
    with suppress(ClusterError, OSError):
        cache = shutil.disk_usage(cache_folder("panels")).free
    gpus, busy = _cards()
    return Facts(
        host=host,
        python=platform.python_version(),
        packages=_versions(),
        clock=time.time(),
        cpus=len(os.sched_getaffinity(0)),
        memory=node_bytes(),
        disk=shutil.disk_usage(tempfile.gettempdir()).free,
        cache=cache,
        shm=shutil.disk_usage("/dev/shm").free if Path("/dev/shm").is_dir() else 0,  # noqa: S108 - looked at only
        gpus=gpus,
        busy=busy,
        problems=tuple(redacted(problem) for problem in problems),
        checks=checks,
        shards=sum(seen),
    )


def _try(problems: list[str], check: Callable[[], object]) -> bool:
    """Whether it went well; if not, why."""
    try:
        check()
    except ClusterError as error:
        problems.append(str(error))
        return False
    return True


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def _use_storage(asked: Asked, name: str) -> None:
    """Read what was left there by who asks, and leave a file of our own.

    Raises:
        ClusterError: it is not the same storage, or cannot be used.
    """
    probe = Folder(Storage.open(asked.storage), asked.probe)
    if not probe.exists("seed") or probe.read("seed") != asked.probe.encode():
        raise ClusterError(
            f"storage {asked.storage} is not the same here: what another machine has written is not there; "
            "mount the same folder at this path on every node, or keep sweeps at an s3:// or gs:// URI"
        )
    probe.write(name, name.encode())


def _read_data(uri: str) -> int:
    """Find the shards and read what the first says of itself at its end; how many there are.

    Raises:
        ClusterError: there is none, or the first cannot be read.
    """
    from pyarrow import parquet

    filesystem, path = open_filesystem(uri.partition("*")[0].rpartition("/")[0] if "*" in uri else uri)
    try:
        shards = _shards(filesystem, path)
        if "*" in uri:
            pattern = uri.partition("://")[2] or uri
            shards = [shard for shard in shards if fnmatch(shard, pattern)]
        if not shards:
            raise ClusterError(
                f"data {uri} is not there; put the shards where every node sees them, at the same path"
            )
        with filesystem.open_input_file(shards[0]) as file:
            parquet.read_metadata(file)
    except pa.ArrowInvalid:
        raise ClusterError(f"data {uri}: {shards[0]} is no whole Parquet file") from None
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error).splitlines()[0]
        raise ClusterError(f"data {uri} cannot be read ({reason})") from None
    return len(shards)


def _shards(filesystem: pafs.FileSystem, path: str) -> list[str]:
    """The Parquet files at a path, in order; a file that is named itself is one whatever it is called."""
    info = filesystem.get_file_info(path)
    if info.type == pafs.FileType.File:
        return [str(info.path)]
    if info.type != pafs.FileType.Directory:
        return []
    found = filesystem.get_file_info(pafs.FileSelector(path, recursive=True))
    files = [each.path for each in found if each.type == pafs.FileType.File]
    return sorted(file for file in files if file.endswith(".parquet") and not _hidden(file[len(path) :]))


def _hidden(inside: str) -> bool:
    return any(part.startswith((".", "_")) for part in inside.split("/"))


def _unreachable(peers: tuple[str, ...]) -> list[str]:
    closed = []
    for peer in peers:
        host, _, port = peer.rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=3).close()
        except OSError:
            closed.append(
                f"port {port} of {host} cannot be reached from here; open all ports between the nodes, for "
                "Ray's talk to each other on any"
            )
    return closed


def _cards() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The cards of this node, and those that others use, whatever this process is given of them."""
    try:
        found = find_gpus()
    except ClusterError:
        return (), ()
    return tuple(gpu.name for gpu in found), tuple(gpu.name for gpu in found if gpu.used > gpu.memory // 10)
