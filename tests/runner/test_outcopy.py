"""The copy of a driver's output on storage."""

from __future__ import annotations

import sys
import time

import click
import pytest

from cluster import trickle
from cluster.folder import Folder
from cluster.references import withheld_output
from cluster.storage import Storage
from cluster.submissions import DRIVER_LOG, submission_on
from runner import outcopy
from runner.outcopy import copied_output


@pytest.fixture
def beside(storage: Storage) -> Folder:
    return submission_on(storage, "a")


def kept(beside: Folder) -> list[str]:
    return beside.read(DRIVER_LOG).decode().splitlines()


def test_what_is_printed_is_on_storage_without_its_secrets(
    beside: Folder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By whoever, to whichever stream, the words of a crash at last; and shown as ever."""
    monkeypatch.setenv("RAY_AUTH_TOKEN", "hunter2hunter2")

    def crash() -> None:
        with withheld_output(), copied_output(beside):
            click.echo("a hunter2hunter2")
            sys.stderr.write("b hunter2")
            sys.stderr.write("hunter2\n")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        crash()
    head, *lines = kept(beside)
    assert head.startswith("--- 20")
    assert lines[:2] == ["a ***", "b ***"]
    assert lines[-1] == "ZeroDivisionError"
    assert capsys.readouterr().out == "a ***\n"


def test_it_is_there_while_more_is_to_come(beside: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trickle, "_SECONDS", 0.01)
    with copied_output(beside):
        click.echo("first")
        deadline = time.monotonic() + 30
        while not beside.exists(DRIVER_LOG):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert kept(beside)[1:] == ["first"]
        click.echo("second")
    assert kept(beside)[1:] == ["first", "second"]


def test_runs_follow_one_another_and_none_is_without_bound(
    beside: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcopy, "LARGEST", 200)
    monkeypatch.setattr(outcopy, "_EARLIER", 100)
    for word in ("one", "two"):
        with copied_output(beside):
            click.echo(word)
    assert [line for line in kept(beside) if not line.startswith("---")] == ["one", "two"]
    for _ in range(3):
        with copied_output(beside):
            for _ in range(100):
                click.echo("many")
    assert beside.read(DRIVER_LOG).decode().endswith("--- more was printed than is kept ---\n")
    assert beside.size(DRIVER_LOG) < 400
