"""Processes are known by number and start time, and found with all they started."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys

from cluster.processes import command, descendants, find, kill, wait_gone

FAMILY = "import subprocess, sys; print(subprocess.Popen(['sleep', '60']).pid, flush=True); sys.stdin.read()"


def test_a_family_is_found_and_ended() -> None:
    """A zombie counts as gone, a number with another start time as somebody else."""
    with subprocess.Popen(
        [sys.executable, "-c", FAMILY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = find(int(parent.stdout.readline()))
        ours = find(parent.pid)
        assert ours is not None
        assert child is not None
        assert descendants(parent.pid) == [child]
        assert child in descendants(os.getpid())
        assert descendants(os.getpid(), parent.pid).count(child) == 1
        assert command(child.pid) == "sleep 60 "
        other = dataclasses.replace(child, started="another/1")
        assert not other.alive()
        kill([other])
        assert wait_gone([child], 0.1) == [child]
        kill([child, ours])
        assert wait_gone([child, ours], 5) == []
        assert find(parent.pid) is None
        assert command(child.pid) == ""
