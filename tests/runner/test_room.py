"""How many trials fit into a cluster whose nodes come and go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from cluster.errors import ClusterError
from cluster.session import Node, Session
from jobs.spec import Resources
from runner import tuning
from runner.tuning import Room


class Nodes:
    """A cluster's, to be changed; time passes as it is waited for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *sizes: tuple[int, int]) -> None:
        self.time = 0.0
        monkeypatch.setattr(tuning.time, "monotonic", lambda: self.time)
        monkeypatch.setattr(tuning.time, "sleep", self._wait)
        self.coming: dict[float, list[tuple[int, int]]] = {}
        self.sizes = list(sizes)
        self.asked: list[list[dict[str, float]]] = []

    def _wait(self, seconds: float) -> None:
        self.time += seconds
        self.sizes = self.coming.get(self.time, self.sizes)

    def now(self) -> tuple[Node, ...]:
        return tuple(Node(f"n{number}", *size) for number, size in enumerate(self.sizes))

    def session(self, *, joined: bool, grows: bool = False) -> Session:
        return Session("head:1", self.now(), joined, lambda: True, self.now, self._ask if grows else None)

    def _ask(self, bundles: Sequence[Mapping[str, float]]) -> None:
        self.asked.append([dict(bundle) for bundle in bundles])


@pytest.mark.parametrize(
    ("sizes", "resources", "most", "fit"),
    [
        ([(8, 0)], Resources(), None, 8),
        ([(8, 0), (3, 0)], Resources(cpu=2), None, 5),  # no trial is spread over two nodes
        ([(8, 0), (8, 0)], Resources(), 5, 5),
        ([(8, 1), (8, 0)], Resources(gpu=0.25), None, 4),
        ([(2, 4)], Resources(gpu=1), None, 2),
        ([(8, 1)], Resources(gpu=0.4), None, 2),
    ],
)
def test_trials_are_packed_by_what_they_ask_for(
    monkeypatch: pytest.MonkeyPatch,
    sizes: list[tuple[int, int]],
    resources: Resources,
    most: int | None,
    fit: int,
) -> None:
    nodes = Nodes(monkeypatch, *sizes)
    room = Room(nodes.session(joined=True), resources, most)
    assert room.now(9) == fit
    assert room.widest == max(cpus for cpus, _ in sizes)


def test_it_follows_a_cluster_that_was_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = Nodes(monkeypatch, (2, 0))
    room = Room(nodes.session(joined=True), Resources(), None)
    nodes.sizes = [(2, 0), (4, 0)]
    assert room.now(9) == 2  # asked a moment ago
    nodes.time += 3
    assert (room.now(9), room.widest) == (6, 4)
    assert not room.lost_node()
    nodes.sizes = [(2, 0)]
    assert room.lost_node()
    nodes.time += 10
    assert room.lost_node()  # what else was on it may be told now
    nodes.time += 30
    assert not room.lost_node()
    assert room.now(9) == 2


def test_a_cluster_without_room_is_given_time(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = Nodes(monkeypatch, (0, 0))
    nodes.coming = {60.0: [(0, 0), (4, 0)]}
    room = Room(nodes.session(joined=True), Resources(cpu=4), None)
    assert (nodes.time, room.now(9)) == (60.0, 1)


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        (Resources(cpu=4), "resources.cpu: a trial asks for 4 cores and the cluster has 2 on a node"),
        (Resources(gpu=0.5), "resources.gpu: a trial asks for 0.5 of a GPU and the cluster has none"),
    ],
)
@pytest.mark.parametrize(("joined", "seconds"), [(True, 120), (False, 0)])
def test_one_that_never_has_room_is_refused(
    monkeypatch: pytest.MonkeyPatch, resources: Resources, said: str, *, joined: bool, seconds: float
) -> None:
    nodes = Nodes(monkeypatch, (2, 0))
    with pytest.raises(ClusterError) as caught:
        Room(nodes.session(joined=joined), resources, None)
    assert str(caught.value).startswith(said)
    assert seconds <= nodes.time <= seconds + 2


def test_of_an_autoscaler_it_asks_for_as_many_as_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = Nodes(monkeypatch, (2, 0))
    room = Room(nodes.session(joined=True, grows=True), Resources(cpu=2, gpu=0), 20)
    for wanted in (50, 50, 3):
        nodes.time += 3
        room.now(wanted)
    nodes.time += 1
    room.now(7)  # a moment ago
    room.close()
    assert nodes.asked == [[{"CPU": 2.0}] * 20, [{"CPU": 2.0}] * 3, []]


def test_of_an_autoscaler_a_first_node_is_asked_for_and_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = Nodes(monkeypatch)
    nodes.coming = {600.0: [(8, 1)]}
    room = Room(nodes.session(joined=True, grows=True), Resources(cpu=2, gpu=0.5), None)
    assert (nodes.time, room.now(1)) == (600.0, 2)
    assert nodes.asked == [[{"CPU": 2.0, "GPU": 0.5}]]


def test_when_an_autoscaler_has_none_to_give_nothing_is_asked_for_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nodes = Nodes(monkeypatch)
    with pytest.raises(ClusterError) as caught:
        Room(nodes.session(joined=True, grows=True), Resources(cpu=2), None)
    assert str(caught.value) == (
        "resources: no node with room for a trial (2 cores) was started within 15 minutes; see the "
        "autoscaler's log, or ask for less"
    )
    assert nodes.asked == [[{"CPU": 2.0}], []]


def test_a_sweep_that_is_stopped_waits_for_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = Nodes(monkeypatch)
    room = Room(nodes.session(joined=True), Resources(), None, lambda: nodes.time > 5)
    assert (nodes.time, room.now(1)) == (6.0, 0)
