"""The folder that Ray works in: removed at the end, found when its owner was killed, kept while in use."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster import scratch
from cluster.errors import ClusterError
from cluster.scratch import scratch_folder


@pytest.fixture(autouse=True)
def long_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "_LONGEST", 4096)  # no sockets here


def test_what_a_killed_owner_left_is_removed_and_what_is_in_use_or_not_ours_stays(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as used:
        left = tmp_path / "recur-left"
        left.mkdir()
        (left / "lock").touch()
        starting = tmp_path / "recur-starting"  # between its making and its lock
        starting.mkdir()
        with scratch_folder(tmp_path) as new:
            assert set(tmp_path.iterdir()) == {used, new, starting}
            assert new.stat().st_mode & 0o777 == 0o700
        assert set(tmp_path.iterdir()) == {used, starting}


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(ClusterError) as caught, scratch_folder(missing):
        pass
    assert str(caught.value) == f"{missing}: temporary files cannot be put there: No such file or directory"


@pytest.mark.parametrize("folder", ["relative", "/" + "long" * 10])
def test_a_path_that_ray_could_not_use_is_refused(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "_LONGEST", 40)
    with (
        pytest.raises(ClusterError, match="has to be an absolute path of at most 40 characters"),
        scratch_folder(Path(folder)),
    ):
        pass
