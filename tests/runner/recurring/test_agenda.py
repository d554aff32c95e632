import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.scheduledocs import Definition, Record, State
from jobs.schedulespec import Rules
from runner.recurring.agenda import Agenda

BEGIN = dt.datetime(2026, 11, 1, 0, 30, tzinfo=dt.UTC)
HOURLY = Definition("0 * * * *", "UTC", BEGIN, BEGIN, "somebody")
HOUR = dt.timedelta(hours=1)


def at(hour: int, minute: int = 0) -> dt.datetime:
    return BEGIN.replace(hour=hour, minute=minute)


def look(
    state: State, now: dt.datetime, definition: Definition = HOURLY, **rules: str
) -> tuple[State, list[Record]]:
    agenda = Agenda("night", definition, Rules.model_validate(rules), now, "me", state)
    before = len(state.outbox)
    state = agenda.settle()
    return state, list(state.outbox[before:])


def told(records: list[Record]) -> list[tuple[str, int | None]]:
    return [(record.event, record.tick.hour if record.tick else None) for record in records]


def test_what_is_due_begins_and_is_settled() -> None:
    state, records = look(State(BEGIN), at(1))
    assert told(records) == [("started", 1)]
    assert state.run is not None
    assert state.run.sweep == "night-20261101T010000Z"
    assert look(state, at(1, 1)) == (state, [])


@pytest.mark.parametrize("missed", ["once", "skip"])
def test_what_nobody_looked_at_in_time(missed: str) -> None:
    state, records = look(State(BEGIN), at(5, 30), missed=missed)
    begun = missed == "once"
    assert (state.run is not None) == begun
    skipped = next(record for record in records if record.event == "skipped")
    assert "nobody ran the schedule" in skipped.reason
    assert skipped.more["ticks"] == (4 if begun else 5)
    if state.run:
        assert state.run.tick == at(5)


def test_one_in_time_takes_the_place_of_those_missed() -> None:
    state, records = look(State(BEGIN), at(3), missed="once")
    assert state.run is not None
    assert state.run.tick == at(3)
    assert told(records) == [("started", 3), ("skipped", 2)]


def test_overlap_skip() -> None:
    state, _ = look(State(BEGIN), at(1))
    state, records = look(state, at(2))
    assert told(records) == [("skipped", 2)]
    assert "the run of 2026-11-01 01:00Z is not over" in records[0].reason.replace(":00Z", "Z")


def test_overlap_queue_holds_one() -> None:
    state, _ = look(State(BEGIN), at(1))
    state, first = look(state, at(2), overlap="queue")
    state, second = look(state, at(3), overlap="queue")
    assert told(first) == [("queued", 2)]
    assert told(second) == [("skipped", 3)]
    agenda = Agenda("night", HOURLY, Rules(), at(3, 10), "me", state)
    state = agenda.end([])
    assert state.run is not None
    assert state.run.tick == at(2)
    assert state.waiting is None


def test_overlap_replace_ends_what_runs() -> None:
    state, _ = look(State(BEGIN), at(1))
    state, _ = look(state, at(2), overlap="replace")
    assert state.run is not None
    assert state.run.replaced
    state, records = look(state, at(3), overlap="replace")
    assert told(records) == [("queued", 3), ("skipped", 2)]
    assert state.waiting == at(3)


def test_a_paused_schedule_records_what_it_skips() -> None:
    state, records = look(State(BEGIN), at(2), replace(HOURLY, paused=True))
    assert state.run is None
    assert [(record.event, record.reason) for record in records] == [("skipped", "the schedule was paused")]


def test_a_clock_that_goes_back_is_said_once_and_runs_nothing() -> None:
    state, _ = look(State(BEGIN), at(5))
    state, records = look(state, at(3))
    assert told(records) == [("clock", None)]
    assert "recur schedule resume night" in records[0].reason
    assert look(state, at(3, 30)) == (state, [])
    state, records = look(state, at(6))
    assert told(records) == [("skipped", 6)]  # the run of 5 goes on
    assert not state.clock_back


@given(
    st.lists(st.tuples(st.integers(1, 400), st.booleans()), max_size=60),
    st.sampled_from(["skip", "queue", "replace"]),
    st.sampled_from(["skip", "once"]),
)
def test_every_tick_is_run_once_or_its_skip_recorded(
    looks: list[tuple[int, bool]], overlap: str, missed: str
) -> None:
    """However it is looked at, and whenever runs end."""
    state, now = State(BEGIN), BEGIN
    rules = Rules.model_validate({"overlap": overlap, "missed": missed})
    for minutes, ends in looks:
        now += dt.timedelta(minutes=minutes)
        agenda = Agenda("night", HOURLY, rules, now, "me", state)
        state = agenda.settle()
        if ends and state.run:
            state = agenda.end([])
    due = list(HOURLY.calendar.between(BEGIN, now))
    begun = [record.tick for record in state.outbox if record.event == "started"]
    skipped = sum(record.more.get("ticks", 1) for record in state.outbox if record.event == "skipped")
    waiting = state.waiting is not None
    assert len(set(begun)) == len(begun)
    assert len(begun) + skipped + waiting == len(due)
