"""What the tests of the runner share: panels, jobs, the command and a sweep's folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyarrow import fs as pafs

from cluster.storage import Storage, SweepFolder
from jobs.sample import sample_panel
from tests.runner.command import JobWriter, Recur


@pytest.fixture(scope="session")
def panel_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A panel of one series, 300 hourly steps in two shards, with one covariate."""
    folder = tmp_path_factory.mktemp("panel") / "data"
    sample_panel(str(folder), pafs.LocalFileSystem(), series=1, length=300, shards=2)
    return folder


@pytest.fixture(scope="session")
def write_job(panel_folder: Path) -> JobWriter:
    return JobWriter(panel_folder)


@pytest.fixture
def recur(tmp_path: Path) -> Recur:
    return Recur(tmp_path)


@pytest.fixture
def folder(storage: Storage) -> SweepFolder:
    """An empty sweep's, once on this machine and once on an object store."""
    return storage.sweep("a")
