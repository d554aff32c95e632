"""The folder of compiled programs: one for each kind of machine, and never too large."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cluster import programs
from cluster.programs import compiled_programs


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "recur" / "programs"


def test_the_folder_is_made_and_is_the_same_again(cache: Path) -> None:
    folder = compiled_programs("--flag=1")

    assert folder.is_dir()
    assert folder.parent == cache
    assert compiled_programs("--flag=1") == folder


def test_other_versions_have_another_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = compiled_programs("--flag=1")

    monkeypatch.setattr(programs, "version", lambda package: f"99 of {package}")

    assert compiled_programs("--flag=1") != folder


def test_what_was_used_longest_ago_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = compiled_programs("--flag=1")
    for age, name in enumerate(["newest", "middle", "oldest"]):
        path = folder / name
        path.write_bytes(b"x" * 10)
        os.utime(path, (1e9 - age, 1e9 - age))

    monkeypatch.setattr(programs, "_MOST_BYTES", 25)
    compiled_programs("--flag=1")

    assert sorted(path.name for path in folder.iterdir()) == ["middle", "newest"]


def test_what_programs_are_made_with_decides_where_they_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """TensorFlow names a program by its graph alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    folders = {compiled_programs(flags, card) for flags in ("", "--flag=1") for card in ("", "NVIDIA L4")}

    assert len(folders) == 4
