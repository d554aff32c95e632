"""The owner of a training process: when it is replaced, and that no leg is lost by it."""

from __future__ import annotations

import os
from typing import Any

import pytest

from runner import owner as module
from runner.owner import Limits, Owner
from tests.runner.virtual_process import Virtual, report


@pytest.fixture(autouse=True)
def _none_started() -> None:
    Virtual.started = []


def owned(limits: Limits, **more: Any) -> Owner:
    owner = Owner(lambda: Virtual(backend="jax", threads=1), limits)  # type: ignore[arg-type, return-value]
    owner.change(order("a") | more)
    return owner


def order(trial: str, *milestones: int) -> dict[str, Any]:
    return {"do": "train", "trial": trial, "epoch": 0, "milestones": milestones}


def say(owner: Owner, number: int, *messages: dict[str, Any]) -> None:
    """The process of that number says something, and the owner listens."""
    for message in messages:
        Virtual.started[number].says.append(message)
        assert owner.listen() == [message]


def end(owner: Owner, number: int, following: str) -> None:
    """The leg ends by itself and another begins."""
    say(owner, number, report(1, "done"))
    Virtual.started[number].says.append({"say": "left"})
    owner.change(order(following))


def test_a_process_is_replaced_after_so_many_legs_and_its_successor_starts_beside_the_last() -> None:
    owner = owned(Limits(legs=2))
    assert len(Virtual.started) == 1

    end(owner, 0, "b")
    assert len(Virtual.started) == 2  # b is the last leg of the first
    end(owner, 0, "c")

    assert [process.told for process in Virtual.started] == [["traina", "trainb"], ["trainc"]]
    assert [process.alive for process in Virtual.started] == [False, True]


def test_a_process_without_limits_is_kept() -> None:
    owner = owned(Limits())

    for name in "bcdef":
        end(owner, 0, name)

    assert len(Virtual.started) == 1


def test_a_process_that_grew_too_large_hands_its_leg_over_at_the_next_report(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    size = {"bytes": 50}
    monkeypatch.setattr(module, "private_bytes", lambda pid: size["bytes"] * (pid == os.getpid()))
    owner = owned(Limits(memory=100))
    end(owner, 0, "b")
    say(owner, 0, report(1))
    assert len(Virtual.started) == 1

    size["bytes"] = 101
    Virtual.started[0].says.append(report(2))
    Virtual.started[0].leaving.extend([report(3), {"say": "left"}])  # an epoch that the next tells again
    assert owner.listen() == [report(2)]

    assert Virtual.started[0].told == ["traina", "trainb", "leave"]
    assert Virtual.started[1].told == ["trainb"]
    assert owner._order["epoch"] == 2  # what was reported is not asked for again
    assert not Virtual.started[0].alive


def test_what_is_too_large_from_its_first_leg_on_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "private_bytes", lambda _: 101)
    owner = owned(Limits(memory=100))

    say(owner, 0, report(1), report(2))

    assert len(Virtual.started) == 1


def test_a_leg_that_waits_at_a_milestone_is_not_torn_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "private_bytes", lambda _: 101)
    owner = owned(Limits(memory=100))
    say(owner, 0, report(1, "done"))
    Virtual.started[0].says.append({"say": "left"})
    owner.change(order("b", 1))

    say(owner, 0, report(1))
    assert len(Virtual.started) == 2  # the next one starts
    Virtual.started[0].says.append({"say": "left"})
    owner.change(order("c"))

    assert [process.told for process in Virtual.started] == [["traina", "trainb", "drop"], ["trainc"]]


def test_closing_ends_the_spare_too() -> None:
    owner = owned(Limits(legs=1))
    say(owner, 0, report(1, "done"))
    Virtual.started[0].says.append({"say": "left"})

    owner.close()

    assert [process.alive for process in Virtual.started] == [False, False]


def test_a_leg_that_gives_no_sign_of_life_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    owner = owned(Limits(), heartbeat=10.0, timeout=None)
    clock.now += 100  # while it starts it has longer
    assert owner.listen() == [{"say": "heartbeat"}]
    say(owner, 0, {"say": "heartbeat"})
    clock.now += 9
    assert owner.listen() == [{"say": "heartbeat"}]
    clock.now += 2

    assert owner.listen() == [
        {"say": "heartbeat"},
        {"say": "died", "error": "hung for 10 s", "timeout": False},
    ]
    assert not Virtual.started[0].alive
    owner.change(order("c"))
    assert [process.told for process in Virtual.started] == [["traina"], ["trainc"]]


def test_a_leg_that_takes_too_long_is_killed_however_much_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    owner = owned(Limits(), heartbeat=10.0, timeout=60.0)
    for _ in range(12):
        say(owner, 0, {"say": "heartbeat"})
        clock.now += 5
    Virtual.started[0].says.append(report(1, "done"))
    assert [message["say"] for message in owner.listen()] == ["report"]  # it has come to its end
    Virtual.started[0].says.append({"say": "left"})
    owner.change(order("c") | {"heartbeat": 10.0, "timeout": 60.0})
    say(owner, 0, {"say": "heartbeat"})
    clock.now += 61
    Virtual.started[0].says.append(report(1))

    heard = owner.listen()

    assert heard == [
        report(1),
        {"say": "died", "error": "trained longer than search.trial_timeout allows", "timeout": True},
    ]


def test_a_wait_for_a_storage_that_is_away_is_no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    owner = owned(Limits(), heartbeat=10.0, timeout=60.0)
    say(owner, 0, {"say": "heartbeat"})
    clock.now += 50
    say(owner, 0, {"say": "heartbeat"})
    for _ in range(20):
        clock.now += 9
        say(owner, 0, {"say": "heartbeat", "waits": True})
    clock.now += 9
    say(owner, 0, {"say": "heartbeat"})
    clock.now += 2
    Virtual.started[0].says.append({"say": "heartbeat"})

    assert [message["say"] for message in owner.listen()] == ["heartbeat", "died"]


@pytest.mark.parametrize("before", [0, 1, 10])
def test_signs_of_life_give_a_leg_no_longer_to_leave(monkeypatch: pytest.MonkeyPatch, before: int) -> None:
    """A regressor in the middle of its ``fit``; it was told to leave some signs of life ago."""
    clock = Clock(monkeypatch)
    owner = owned(Limits())
    fits = Virtual.started[0]

    def heard(timeout: float | None = None) -> dict[str, Any] | None:
        assert timeout is not None
        clock.now += min(timeout, 1.5)
        return {"say": "heartbeat"} if timeout > 1.5 else None

    monkeypatch.setattr(fits, "receive", heard)
    told = clock.now
    for _ in range(before):
        owner.leave()
        owner.listen()

    owner.close()

    assert clock.now - told == max(4.0, before * 1.0)
    assert not fits.alive


def test_a_leg_that_was_late_has_no_less_to_leave_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    owner = owned(Limits())
    owner.leave()
    clock.now += 100
    Virtual.started[0].says.append({"say": "left"})
    owner.change(order("b"))
    asked: list[float | None] = []
    monkeypatch.setattr(Virtual.started[0], "receive", asked.append)

    owner.close()

    assert asked == [4.0]


class Clock:
    """The time, as the owner reads it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(module.time, "monotonic", lambda: self.now)
