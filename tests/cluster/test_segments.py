"""Which files of a journal are read, and in which order."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.segments import Segment, missing, segments_of


@pytest.mark.parametrize(
    ("segment", "name"),
    [
        (Segment(1, 1), "000001.jsonl"),
        (Segment(1_234_567, 1_234_567), "1234567.jsonl"),
        (Segment(1, 64, merged=True), "000001-000064.jsonl.gz"),
        (Segment(7, 7, merged=True), "000007-000007.jsonl.gz"),
    ],
)
def test_a_name_says_what_is_in_the_file(segment: Segment, name: str) -> None:
    assert (segment.name, Segment.parse(name)) == (name, segment)


@pytest.mark.parametrize(
    "name", ["owner.json", "results.json", ".000001.jsonl.1f", "1.jsonl", "000001.jsonl.gz"]
)
def test_other_files_are_no_segments(name: str) -> None:
    assert Segment.parse(name) is None


def test_a_merged_segment_supersedes_those_of_its_range() -> None:
    names = [
        *(f"{number:06d}.jsonl" for number in (1, 2, 3, 4, 5)),
        *(
            "000001-000001.jsonl.gz",
            "000001-000002.jsonl.gz",
            "000001-000003.jsonl.gz",
            "000004-000004.jsonl.gz",
        ),
    ]

    found = [segment.name for segment in segments_of(names)]

    assert found == ["000001-000003.jsonl.gz", "000004-000004.jsonl.gz", "000005.jsonl"]


@given(st.integers(1, 12), st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), max_size=6))
def test_every_number_is_read_once_whatever_was_merged_and_left_behind(
    count: int, cuts: list[tuple[int, int]]
) -> None:
    """Ranges as they come about: each is of files that are to be read at the time."""
    names = {Segment(number, number).name for number in range(1, count + 1)}
    for begin, length in cuts:
        merged = segments_of(names)[begin - 1 : begin - 1 + length]
        if merged:
            names.add(Segment(merged[0].first, merged[-1].last, merged=True).name)

    found = segments_of(sorted(names))

    numbers = [range(segment.first, segment.last + 1) for segment in found]
    assert list(itertools.chain.from_iterable(numbers)) == list(range(1, count + 1))


@pytest.mark.parametrize(
    ("names", "hole"),
    [
        ([], None),
        (["000001.jsonl", "000002-000005.jsonl.gz", "000006.jsonl"], None),
        (["000002.jsonl"], Segment(1, 1)),
        (["000001.jsonl", "000005-000006.jsonl.gz"], Segment(2, 4)),
    ],
)
def test_a_number_that_is_in_no_file_is_missing(names: list[str], hole: Segment | None) -> None:
    assert missing(segments_of(names)) == hole
