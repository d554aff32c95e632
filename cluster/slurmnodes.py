"""The nodes of a Slurm job, and the address at which they reach the one that Ray's head is on."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from cluster.errors import ClusterError

_LOOPBACK = "127."
_ANSWER_SECONDS = 30.0
_FIELD = re.compile(r"(\w+)=(\S*)")


@dataclass(frozen=True)
class Node:
    """A node as Slurm knows it: several may be of one host."""

    name: str
    host: str
    address: str


def slurm_program(name: str) -> str:
    """The path of one of Slurm's programs.

    Raises:
        ClusterError: it is not installed.
    """
    found = shutil.which(name)
    if found is None:
        raise ClusterError(f"{name} is not on this machine's PATH; run it where Slurm's commands are")
    return found


def head_address(count: int) -> str:
    """This node's address, as the ``count`` nodes of its job reach it.

    Raises:
        ClusterError: Slurm does not tell of the nodes, or none of this one's addresses is for others.
    """
    return address_among(_nodes(), os.environ.get("SLURMD_NODENAME", "")) if count > 1 else "127.0.0.1"


def address_among(nodes: Sequence[Node], own: str) -> str:
    """The address of the node ``own`` to the others.

    What a host calls itself is no help: it is a loopback address on many, and on others nothing at all.

    Raises:
        ClusterError: there is none but loopback.
    """
    here = [node for node in nodes if node.name == own]
    hosts = {node.host for node in here}
    others = [node for node in nodes if node.host not in hosts]
    if here and not others:
        return "127.0.0.1"
    for found in (*map(_source, others), *map(_resolved, here)):
        if found is not None and not found.startswith(_LOOPBACK):
            return found
    raise ClusterError(
        f"node {own or socket.gethostname()}: the job's other nodes ("
        + ", ".join(f"{node.name} at {node.address}" for node in others)
        + ") cannot be told where Ray's head is: there is no route to them, and Slurm knows this node by a "
        "loopback address alone; have NodeAddr in slurm.conf, or the names of the nodes, lead to addresses "
        "of the network between them"
    )


def _nodes() -> list[Node]:
    """The job's.

    Raises:
        ClusterError: Slurm does not tell.
    """
    names = os.environ.get("SLURM_JOB_NODELIST", "")
    try:
        asked = subprocess.run(  # noqa: S603 - Slurm's own
            [slurm_program("scontrol"), "--oneliner", "show", "node", names],
            capture_output=True,
            text=True,
            timeout=_ANSWER_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ClusterError("Slurm does not answer (scontrol show node); see: scontrol ping") from None
    found = list(read_nodes(asked.stdout))
    if asked.returncode or not found:
        raise ClusterError(f"scontrol show node {names}: {(asked.stderr or asked.stdout).strip()}")
    return found


def read_nodes(text: str) -> Iterator[Node]:
    """What ``scontrol --oneliner show node`` prints."""
    for line in text.splitlines():
        fields = dict(_FIELD.findall(line))
        if name := fields.get("NodeName"):
            host = fields.get("NodeHostName") or name
            yield Node(name, host, fields.get("NodeAddr") or host)


def _source(other: Node) -> str | None:
    """This machine's address on its way to another node; nothing is sent."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
        way.connect((other.address, 9))
        return str(way.getsockname()[0])
    return None


def _resolved(node: Node) -> str | None:
    with suppress(OSError):
        return socket.gethostbyname(node.address)
    return None
