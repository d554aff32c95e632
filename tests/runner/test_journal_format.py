"""A record of the journal is whole or not there."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.journal import Event, decode, encode

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
CONTENT = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
EVENTS = st.lists(
    st.dictionaries(st.text(), CONTENT, max_size=4).map(lambda keys: keys | {"event": "result"}), max_size=5
)
EXAMPLES: list[Event] = [{"event": "result", "trial": f"{n:05d}", "score": n / 7} for n in range(4)]


def decoded(data: bytes) -> list[Event]:
    return [event for event, _ in decode(data)]


@settings(deadline=None)
@given(EVENTS)
def test_what_is_encoded_is_decoded(events: list[Event]) -> None:
    lines = [encode(event) for event in events]

    found = list(decode(b"".join(lines)))

    assert [event for event, _ in found] == events
    assert [end for _, end in found] == list(itertools.accumulate(map(len, lines)))
    assert all(line.count(b"\n") == 1 and line.isascii() for line in lines)


def test_a_number_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode({"event": "result", "score": float("nan")})


def test_a_torn_last_record_is_ignored_wherever_it_is_torn() -> None:
    events = EXAMPLES[:3]
    whole, last = b"".join(map(encode, events[:2])), encode(events[2])

    for length in range(len(last)):
        assert decoded(whole + last[:length]) == events[:2], length
    assert decoded(whole + last) == events


@settings(deadline=None)
@given(st.data())
def test_a_changed_byte_ends_the_segment_at_its_record(data: st.DataObject) -> None:
    events = EXAMPLES
    lines = [encode(event) for event in events]
    segment = bytearray(b"".join(lines))
    at = data.draw(st.integers(0, len(segment) - 1))
    segment[at] ^= data.draw(st.integers(1, 255))

    before = sum(end <= at for end in itertools.accumulate(map(len, lines)))

    assert decoded(bytes(segment)) == events[:before]
