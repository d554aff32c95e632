"""Following a log whose cluster is out of reach for a moment, or begins anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster.errors import ClusterError
from cluster.lease import holding
from cluster.storage import Storage
from runner import logs


def scripted(*answers: str | Exception) -> Callable[[], str]:
    """Gives one answer after another, and the last one for ever."""
    rest: Iterator[str | Exception] = iter(answers)

    def read() -> str:
        nonlocal last
        last = next(rest, last)
        if isinstance(last, Exception):
            raise last
        return last

    last: str | Exception = ""
    return read


def ended_after(times: int) -> Callable[[], bool]:
    asked = 0

    def ended() -> bool:
        nonlocal asked
        asked += 1
        return asked > times

    return ended


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_LOOK_SECONDS", 0.0)


def test_each_line_is_printed_once_across_a_lost_connection(capsys: pytest.CaptureFixture[str]) -> None:
    away = ClusterError("the cluster cannot be reached")
    logs._follow(scripted("one\n", away, away, "one\ntwo\n", "one\ntwo\nthree\n"), ended_after(4), 0)
    assert capsys.readouterr().out == "one\ntwo\nthree\n"


def test_what_begins_anew_is_printed_from_its_beginning(capsys: pytest.CaptureFixture[str]) -> None:
    logs._follow(scripted("first run\n", "again\n"), ended_after(1), 0)
    assert capsys.readouterr().out == "first run\nagain\n"


def test_a_cluster_that_stays_away_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(0, 10_000, 10))
    monkeypatch.setattr(logs.time, "monotonic", lambda: float(next(now)))
    with pytest.raises(ClusterError, match="out of reach"):
        logs._follow(scripted(ClusterError("out of reach")), ended_after(100), 0)


def test_a_secret_is_withheld(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "f" * 64)
    logs._follow(scripted(f"token {'f' * 64}\n"), ended_after(0), 0)
    assert capsys.readouterr().out == "token ***\n"


def test_a_process_elsewhere_has_ended_when_nobody_has_held_its_sweep_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was killed there, or its machine has died: it left no exit code."""
    folder = Storage.open(str(tmp_path)).sweep("small")
    monkeypatch.setattr(logs, "_LEAVE_SECONDS", 0.0)
    begins, old = logs._Silence(folder, time.time()), logs._Silence(folder, 0.0)
    assert not begins()  # it may be about to hold it
    with holding(folder):
        assert not begins()
        assert not old()
    begins()
    assert begins()
    old()
    assert old()
