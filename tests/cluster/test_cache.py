"""Folders that are kept: made once, whole or not there, and never too many."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from cluster import cache
from cluster.cache import cache_folder, kept
from cluster.errors import ClusterError


@pytest.fixture(autouse=True)
def things(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RECUR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "things"


def write(folder: Path, size: int = 3) -> None:
    folder.mkdir()
    (folder / "file").write_bytes(b"x" * size)


def names(things: Path) -> list[str]:
    return sorted(path.name for path in things.iterdir())


def test_what_is_there_is_not_made_again(things: Path) -> None:
    first = kept("things", "a", write)

    assert first == things / "a"
    assert kept("things", "a", lambda _: pytest.fail("it is there")) == first
    assert names(things) == ["a"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_nothing(things: Path, error: type[BaseException]) -> None:
    def fails(folder: Path) -> None:
        write(folder)
        raise error

    with pytest.raises(error):
        kept("things", "a", fails)
    assert names(things) == []


MAKES = """
import sys, time
from cluster.cache import kept

def make(folder):
    folder.mkdir()
    print("making", flush=True)
    time.sleep(float(sys.argv[1]))

kept("things", "a", make)
"""


def started(seconds: float) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    command = [sys.executable, "-c", MAKES, str(seconds)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def test_of_several_processes_one_makes_it_and_the_others_wait(things: Path) -> None:
    processes = [started(0.5) for _ in range(4)]
    said = [process.communicate(timeout=60)[0] for process in processes]

    assert sorted(said) == ["", "", "", "making\n"]
    assert names(things) == ["a"]


def test_what_a_killed_process_left_is_in_nobodys_way(things: Path) -> None:
    process = started(60)
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    process.communicate()
    assert names(things) == ["a.lock", "a.partial"]

    kept("things", "b", write)

    assert names(things) == ["b"]
    assert kept("things", "a", write).exists()


def test_what_another_process_makes_now_is_left_to_it(things: Path) -> None:
    process = started(60)
    assert process.stdout is not None
    process.stdout.readline()

    kept("things", "b", write)

    assert names(things) == ["a.lock", "a.partial", "b"]
    process.kill()
    process.communicate()


def test_what_was_used_longest_ago_goes_first(things: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=100))
    monkeypatch.setattr(cache, "_SHARE", 0.5)
    for number, key in enumerate("abc"):
        os.utime(kept("things", key, lambda folder: write(folder, 15)), (number, number))
    kept("things", "a", write)

    kept("things", "d", lambda folder: write(folder, 20))

    assert names(things) == ["a", "c", "d"]
    kept("things", "e", lambda folder: write(folder, 99))
    assert names(things) == ["e"]  # even if it is too large by itself


def test_where_things_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder("x") == tmp_path / "cache" / "x"
    monkeypatch.setenv("RECUR_CACHE", str(tmp_path / "file" / "below"))
    (tmp_path / "file").write_text("")
    with pytest.raises(ClusterError) as refused:
        cache_folder("x")
    assert str(refused.value) == (
        f"RECUR_CACHE: {tmp_path}/file/below cannot be written; give a folder that can"
    )

    monkeypatch.delenv("RECUR_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert cache_folder("x") == tmp_path / "home" / "recur" / "x"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(cache, "_temporary", lambda: tmp_path / "temp")
    assert cache_folder("x") == tmp_path / "temp" / "x"


def test_a_file_system_without_locks_is_one_sentence(things: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuses)

    with pytest.raises(ClusterError) as refused:
        kept("things", "a", write)
    assert str(refused.value) == (
        f"{things}: files cannot be locked there (No locks available); "
        "set RECUR_CACHE to a folder on a disk of this machine"
    )
