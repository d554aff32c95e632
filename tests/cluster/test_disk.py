"""A folder of this machine's is read and changed as Arrow would."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pyarrow import fs as pafs

from cluster.arrow import ArrowFiles
from cluster.disk import Disk, Files

PATHS = ["", "file", "deep", "deep/er", "deep/er/file", "to-file", "to-deep", "to-nothing", "loop", "pipe"]
PATHS += ["missing", "missing/too", "file/below", "to-deep/er/file"]


@pytest.fixture(params=[Disk(), ArrowFiles(pafs.LocalFileSystem())], ids=["disk", "arrow"])
def files(request: pytest.FixtureRequest) -> Files:
    found: Files = request.param
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of all that may be in one."""
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    for name in ("file", "deep/er/file", ".hidden"):
        (tmp_path / name).write_bytes(b"recur")
    for name, target in (("file", "file"), ("deep", "deep"), ("nothing", "gone")):
        (tmp_path / f"to-{name}").symlink_to(target)
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


def test_only_files_are_files_and_only_folders_folders(files: Files, root: Path) -> None:
    folders = {"", "deep", "deep/er", "to-deep"}
    assert {path for path in PATHS if files.is_folder(f"{root}/{path}")} == folders
    regular = {"file", "deep/er/file", "to-file", "to-deep/er/file"}
    assert {path for path in PATHS if files.size(f"{root}/{path}")} == regular
    assert {path for path in PATHS if Disk().exists(f"{root}/{path}")} == regular
    assert files.folders(str(root)) == {"deep", "empty", "to-deep"}


def test_files_are_listed_through_links_and_nothing_else_is(files: Files, root: Path) -> None:
    here = dict.fromkeys((".hidden", "file", "to-file"), 5)
    assert files.files(str(root)) == here
    assert files.files(str(root), deep=True) == here | {"deep/er/file": 5, "to-deep/er/file": 5}


@pytest.mark.parametrize("path", ["missing", "missing/too", "file/below", "to-nothing"])
def test_what_is_not_there_holds_nothing_and_goes_without_a_word(files: Files, root: Path, path: str) -> None:
    there = f"{root}/{path}"
    assert (files.files(there), files.folders(there), files.size(there)) == ({}, set(), 0)
    files.delete(there)
    with pytest.raises(OSError, match=r"."):
        files.read(there, 0, 10)


@pytest.mark.parametrize("path", ["file", "to-file"])
def test_a_file_holds_no_files(files: Files, root: Path, path: str) -> None:
    for look in (files.files, files.folders):
        with pytest.raises(OSError, match=r"[Nn]ot a directory"):
            look(f"{root}/{path}")


def test_a_folder_is_not_read(files: Files, root: Path) -> None:
    with pytest.raises(OSError, match=r"directory"):
        files.read(f"{root}/deep", 0, 10)


def test_a_folder_goes_with_all_that_is_in_it_and_nothing_that_a_link_leads_to(
    files: Files, root: Path
) -> None:
    (root / "deep" / "out").symlink_to(root / "empty")
    (root / "empty" / "file").write_bytes(b"recur")

    files.delete(f"{root}/deep")
    files.delete(f"{root}/to-file")

    assert not (root / "deep").exists()
    assert not (root / "to-file").is_symlink()
    assert (root / "empty" / "file").read_bytes() == (root / "file").read_bytes() == b"recur"


def test_what_another_deletes_at_the_same_time_is_gone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "deep" / "other").write_bytes(b"recur")
    unlink = os.unlink

    def twice(path: str, *, dir_fd: int | None = None) -> None:
        unlink(path, dir_fd=dir_fd)
        unlink(path, dir_fd=dir_fd)

    monkeypatch.setattr(shutil.os, "unlink", twice)
    Disk().delete(f"{root}/deep")

    assert not (root / "deep").exists()


@contextmanager
def no_root() -> Iterator[None]:
    """Root may do anything."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        yield
    finally:
        os.seteuid(user)


def test_what_the_kernel_refuses_is_told(files: Files, root: Path) -> None:
    (root / "deep" / "er").chmod(0)
    with no_root(), pytest.raises(PermissionError):
        files.files(f"{root}/deep/er")
    with no_root(), pytest.raises(PermissionError):
        files.size(f"{root}/deep/er/file")
