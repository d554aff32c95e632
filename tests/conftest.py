"""What several test folders share."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.storage import Storage
from tests.cluster.head import head
from tests.cluster.hosts import hosts
from tests.cluster.kube import kube
from tests.cluster.object_store import ObjectStore, open_object_store
from tests.cluster.slurm import _slurm, slurm, slurm_apart
from tests.s3 import KEYS, s3_server

__all__ = ["_slurm", "head", "hosts", "kube", "slurm", "slurm_apart", "storage"]


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: many tests wait, for nodes that die, for queues, for slow servers."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is kept between runs is this session's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RECUR_CACHE", raising=False)
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_yielding() -> Iterator[None]:
    """Ray's workers yield to all others, and would come to nothing while other tests run beside them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_worker_niceness", "0")
        yield


@pytest.fixture(autouse=True)
def _path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where users' modules were found in one test, none is looked for in the next."""
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.fixture(params=["local", "objects"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """A place for sweeps, once on this machine and once on an object store."""
    if request.param == "local":
        return Storage.open(str(tmp_path / "sweeps"))
    return open_object_store(ObjectStore())


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    """The port of an S3 server, whose keys are in the environment."""
    with pytest.MonkeyPatch.context() as patch, s3_server() as port:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        yield port
