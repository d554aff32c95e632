"""Room asked for from a real autoscaler, whose nodes are raylets of this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from cluster.session import Session, session
from tests.cluster.head import Head, running_head

pytestmark = pytest.mark.slow


@pytest.fixture
def growing() -> Iterator[Head]:
    with running_head("token", grows=2) as started:
        yield started


def test_nodes_come_when_they_are_asked_for_and_go_when_they_are_not(
    growing: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", growing.token)
    with session(address=growing.address) as joined:
        assert joined.ask_for is not None
        assert cpus(joined) == 0
        joined.ask_for([{"CPU": 1.0}] * 5)
        wait_for(lambda: cpus(joined) == 2)
        joined.ask_for([])
        wait_for(lambda: cpus(joined) == 0)


def test_of_a_cluster_without_an_autoscaler_nothing_is_asked(
    head: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", head.token)
    with session(address=head.address) as joined:
        assert joined.ask_for is None


def cpus(joined: Session) -> int:
    return sum(node.cpus for node in joined.now())


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)
