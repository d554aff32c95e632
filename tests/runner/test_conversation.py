"""What a leg says and saves, without a process round it."""

from __future__ import annotations

import io
import json
import os
import queue
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cluster.errors import ClusterError
from cluster.storage import Storage, SweepFolder
from jobs.report import EpochReport
from runner.conversation import LegHooks, Line


@pytest.fixture
def thread() -> Iterator[Executor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


class Owner:
    """The other end of a line."""

    def __init__(self) -> None:
        source, self._pen = os.pipe()
        self.sink = io.StringIO()
        self.line = Line(os.fdopen(source), self.sink)

    def say(self, **message: Any) -> None:
        os.write(self._pen, (json.dumps(message) + "\n").encode())

    def heard(self) -> list[int]:
        """The epochs that were reported."""
        return [json.loads(text)["report"]["epoch"] for text in self.sink.getvalue().splitlines()]


@pytest.fixture
def folder(tmp_path: Path) -> SweepFolder:
    return Storage.open(str(tmp_path)).sweep("a")


@pytest.fixture
def owner() -> Owner:
    return Owner()


@pytest.fixture
def leg(owner: Owner, folder: SweepFolder, thread: Executor) -> LegHooks:
    return LegHooks(owner.line, folder, {"trial": "00000", "milestones": [2]}, thread)


def report(epoch: int, ended: Any = None) -> EpochReport:
    return EpochReport(epoch, 0.5, 0.5, 1, {}, 1.0, ended)


def test_only_a_milestone_waits_for_an_answer(owner: Owner, leg: LegHooks) -> None:
    assert leg.report(report(1))
    owner.say(do="go")
    assert leg.report(report(2))
    assert leg.report(report(3, "done"))
    owner.say(do="drop")
    assert not leg.report(report(2))
    assert owner.heard() == [1, 2, 3, 2]


def test_the_model_before_the_last_stays_for_the_journal_may_know_no_better(
    folder: SweepFolder, leg: LegHooks
) -> None:
    for epoch in (1, 3, 5):
        leg.save(state=bytes, model=b"model", epoch=epoch, wait=True)
    leg.save(state=bytes, model=None, epoch=5, wait=True)

    assert folder.models_of("00000") == [("00000", 3), ("00000", 5)]


def test_a_save_goes_on_beside_the_training_and_is_waited_for_before_a_decision(
    owner: Owner, folder: SweepFolder, leg: LegHooks
) -> None:
    began, may_end = threading.Event(), threading.Event()

    def slow() -> bytes:
        began.set()
        assert may_end.wait(10)
        return b"state"

    leg.save(state=slow, model=None, epoch=1, wait=False)
    assert began.wait(10)
    assert leg.report(report(1))  # not a milestone: it is told meanwhile
    answers: queue.Queue[bool] = queue.Queue()
    asking = threading.Thread(target=lambda: answers.put(leg.report(report(2))))
    asking.start()
    asking.join(0.2)
    assert owner.heard() == [1]

    may_end.set()
    owner.say(do="go")

    assert answers.get(timeout=10)
    assert owner.heard() == [1, 2]
    assert folder.read(folder.state("00000")) == b"state"


def test_a_save_that_fails_is_told_at_the_next_word(leg: LegHooks) -> None:
    def none() -> bytes:
        raise ClusterError("the storage is gone")

    leg.save(state=none, model=None, epoch=1, wait=False)

    with pytest.raises(ClusterError, match="the storage is gone"):
        leg.flush()
    leg.flush()  # it is told once


def test_a_leg_that_may_be_silent_for_a_moment_only_gives_signs_more_often(
    owner: Owner, leg: LegHooks
) -> None:
    assert owner.line.between_signs == 5.0
    owner.say(do="train", heartbeat=0.3)
    assert owner.line.inbox.get(timeout=10)["do"] == "train"
    with leg.alive():
        time.sleep(1.0)
    signs = len(owner.sink.getvalue().splitlines())
    assert signs >= 5

    time.sleep(0.2)
    leg.interrupted(alive=False)
    assert len(owner.sink.getvalue().splitlines()) == signs
    leg.interrupted()
    assert len(owner.sink.getvalue().splitlines()) == signs + 1

    owner.say(do="train")
    assert owner.line.inbox.get(timeout=10)["do"] == "train"
    assert owner.line.between_signs == 5.0
