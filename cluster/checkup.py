"""What one node has to offer, looked at on the node itself."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

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
_FOOTER = b"PAR1"


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
        token: whether this node's Ray wants one.
        problems: sentences on what cannot be used here.
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


def examine(asked: Asked, name: str) -> Facts:
    """Look at this node; ``name`` is what its file in the probe is called."""
    host, problems = socket.gethostname(), list[str]()
    _try(problems, take_up)
    _try(problems, lambda: _use_storage(asked, name))
    _try(problems, lambda: _read_data(asked.data))
    problems += _unreachable(asked.peers)
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
    )


def _try(problems: list[str], check: object) -> None:
    try:
        check()  # type: ignore[operator] # a function without arguments
    except ClusterError as error:
        problems.append(str(error))


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


def _read_data(uri: str | None) -> None:
    """Open a first shard and look at its end.

    Raises:
        ClusterError: it cannot be read.
    """
    if uri is None:
        return
    filesystem, path = open_filesystem(uri.partition("*")[0].rstrip("/") if "*" in uri else uri)
    try:
        shard = _first_file(filesystem, path)
        if shard is None:
            raise ClusterError(
                f"data {uri} is not there; put the shards where every node sees them, at the same path"
            )
        with filesystem.open_input_file(shard) as file:
            file.seek(max(0, file.size() - len(_FOOTER)))
            if shard.endswith(".parquet") and file.read() != _FOOTER:
                raise ClusterError(f"data {uri}: {shard} is no whole Parquet file")
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error).splitlines()[0]
        raise ClusterError(f"data {uri} cannot be read ({reason})") from None


def _first_file(filesystem: pafs.FileSystem, path: str) -> str | None:
    info = filesystem.get_file_info(path)
    if info.type == pafs.FileType.File:
        return str(info.path)
    if info.type != pafs.FileType.Directory:
        return None
    for found in sorted(filesystem.get_file_info(pafs.FileSelector(path)), key=lambda each: each.path):
        if not found.base_name.startswith((".", "_")) and (file := _first_file(filesystem, found.path)):
            return file
    return None


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
