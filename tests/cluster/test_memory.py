"""What is said of memory, against what is allocated."""

from __future__ import annotations

import os

import numpy as np

from cluster.memory import node_bytes, oom_kills, private_bytes


def test_a_processs_memory_grows_with_what_it_holds() -> None:
    before = private_bytes(os.getpid())
    held = np.ones(64 << 20, np.uint8)

    assert private_bytes(os.getpid()) - before > 0.9 * held.nbytes


def test_a_process_that_is_not_there_has_none() -> None:
    assert private_bytes(2**30) == 0


def test_the_node_has_more_than_this_process_takes() -> None:
    assert private_bytes(os.getpid()) < node_bytes() < 1 << 50


def test_the_system_says_how_many_processes_it_has_killed() -> None:
    """Or, where it does not say, that there were none."""
    assert oom_kills() >= 0
