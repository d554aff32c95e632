"""What several test folders share."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.storage import Storage
from tests.cluster.head import head
from tests.cluster.object_store import ObjectStore, open_object_store

__all__ = ["head", "storage"]


@pytest.fixture(params=["local", "objects"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """A place for sweeps, once on this machine and once on an object store."""
    if request.param == "local":
        return Storage.open(str(tmp_path / "sweeps"))
    return open_object_store(ObjectStore())
