"""Where a Slurm job's head is reached: by what Slurm tells of its nodes, and on hosts of their own."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from cluster.backends import Submission, backend_for
from cluster.backends.places import write_files
from cluster.errors import ClusterError
from cluster.slurmcluster import SlurmCluster
from cluster.slurmnodes import Node, address_among, head_address, read_nodes
from tests.cluster.hosts import Hosts
from tests.cluster.slurm import Slurm

TOLD = """\
NodeName=one Arch=x86_64 CPUTot=2 NodeAddr=10.77.0.1 NodeHostName=host1 Version=22.05.8 OS=Linux 6.1 #1 SMP
NodeName=two Arch=x86_64 CPUTot=3 NodeAddr=two NodeHostName=two Version=22.05.8 OS=Linux 6.1 #1 SMP
NodeName=three CPUTot=3 State=DOWN*
"""
LISTING = """
import sys, time
from cluster.session import session
with session(address=sys.argv[2]) as joined:
    while len(joined.now()) < 2:
        time.sleep(0.5)
    import ray
    for node in sorted(ray.nodes(), key=lambda node: node["NodeManagerAddress"]):
        print("node", node["NodeManagerAddress"], node["Resources"]["CPU"])
"""


@dataclass(frozen=True)
class Listing(Submission):
    """Tells of the Ray that it is run in, in place of running a sweep."""

    def argv(self, program: Sequence[str], jobfile: str, *extra: str) -> list[str]:
        return [program[0], "-c", LISTING, jobfile, extra[extra.index("--address") + 1]]


def test_what_slurm_tells_of_nodes_is_read() -> None:
    assert list(read_nodes(TOLD)) == [
        Node("one", "host1", "10.77.0.1"),
        Node("two", "two", "two"),
        Node("three", "three", "three"),
    ]


def test_nodes_that_are_all_of_this_machine_need_no_other_address() -> None:
    nodes = [Node("one", "localhost", "127.0.0.1"), Node("two", "localhost", "127.0.0.1")]
    assert address_among(nodes, "one") == "127.0.0.1"
    assert head_address(1) == "127.0.0.1"


def test_a_node_with_nothing_but_loopback_is_refused_in_a_sentence() -> None:
    nodes = [Node("one", "one", "127.0.1.1"), Node("two", "two", "two.invalid")]
    with pytest.raises(ClusterError, match=r"^node one: .* \(two at two.invalid\) cannot be told where"):
        address_among(nodes, "one")


def test_a_node_that_others_are_not_found_from_is_what_slurm_calls_it() -> None:
    nodes = [Node("one", "one", "192.0.2.7"), Node("two", "two", "two.invalid")]
    assert address_among(nodes, "one") == "192.0.2.7"


@pytest.mark.slow
def test_nodes_that_are_hosts_of_their_own_find_the_head_and_bring_their_own_cores(
    hosts: Hosts, slurm_apart: Slurm, tmp_path: Path
) -> None:
    """Their names lead nowhere, as on hosts without name service; without ``cpus`` a node is whole."""
    assert slurm_apart.conf.exists()
    with pytest.raises(socket.gaierror):
        socket.gethostbyname("host1")
    backend = backend_for(SlurmCluster(backend="slurm", nodes=2))
    plan = backend.plan(Listing("listing", "name: x", str(tmp_path)))
    folder = Path(plan.target)
    folder.mkdir(parents=True)
    write_files(folder, plan.files)
    asked = hosts.run(1, *plan.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert b"Submitted" in asked.communicate(timeout=60)[0]
    deadline = time.monotonic() + 150
    while not (folder / "exit").exists():
        assert time.monotonic() < deadline, (folder / "log.txt").read_text()
        time.sleep(0.5)
    said = (folder / "log.txt").read_text()
    assert (folder / "exit").read_text() == "0", said
    lines = [line for line in said.splitlines() if line.startswith("node ")]
    assert lines == ["node 10.77.0.1 2.0", "node 10.77.0.2 3.0"], said
