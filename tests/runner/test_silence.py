from __future__ import annotations

import pytest

from runner import silence as module
from runner.silence import RayGone, Silence


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time as ``Silence`` sees it; the test moves it."""
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def _pass(silence: Silence, clock: list[float], seconds: int) -> None:
    for _ in range(seconds):
        clock[0] += 1
        silence.check()


def test_a_leg_that_falls_silent_means_that_ray_is_gone(clock: list[float]) -> None:
    silence = Silence(lambda: True)
    silence.hear("a", ends=False)
    _pass(silence, clock, 30)
    with pytest.raises(RayGone, match="Ray has not answered for 30 s"):
        _pass(silence, clock, 2)


def test_any_word_begins_the_silence_anew(clock: list[float]) -> None:
    silence = Silence(lambda: True)
    for _ in range(10):
        silence.hear("a", ends=False)
        _pass(silence, clock, 29)


def test_legs_that_have_not_begun_may_be_silent_for_ever(clock: list[float]) -> None:
    silence = Silence(lambda: True)
    _pass(silence, clock, 1000)
    silence.hear("a", ends=True)
    _pass(silence, clock, 1000)


def test_time_asleep_does_not_count(clock: list[float]) -> None:
    silence = Silence(lambda: True)
    silence.hear("a", ends=False)
    clock[0] += 3600
    silence.check()


def test_ray_is_asked_often_and_where_there_is_doubt(clock: list[float]) -> None:
    answers = iter([True, True, False])
    silence = Silence(lambda: next(answers))
    silence.check()
    silence.check()  # no time has passed
    _pass(silence, clock, 2)
    with pytest.raises(RayGone, match="Ray has died on this machine"):
        silence.check(at_once=True)
