"""Puts ``tests.cluster.kubectl`` on the path, and ends what it has left running."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.processes import descendants, find, kill, wait_gone


@pytest.fixture
def kube(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of what is applied."""
    folder = tmp_path_factory.mktemp("kube")
    tool = folder / "bin" / "kubectl"
    tool.parent.mkdir()
    program = Path(__file__).with_name("kubectl.py")
    tool.write_text(f'#!/bin/sh\nexec {sys.executable} {program} "$@"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("KUBE", str(folder))
    monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")
    yield folder
    started = [find(int(path.read_text())) for path in folder.glob("*/pid")]
    family = [process for process in started if process]
    family += descendants(*(process.pid for process in family))
    kill(family)
    assert wait_gone(family, 5) == []
