"""The files of a journal: segments, numbered, and merged ones that stand for a range of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_NAME = re.compile(r"(\d{6,})\.jsonl|(\d{6,})-(\d{6,})\.jsonl\.gz")


@dataclass(frozen=True)
class Segment:
    """The numbers ``first`` to ``last`` of a journal's segments, in one file."""

    first: int
    last: int
    merged: bool = False

    @classmethod
    def parse(cls, name: str) -> Segment | None:
        """The segment of a file's name; None for other files."""
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        return (
            cls(int(match[1]), int(match[1])) if match[1] else cls(int(match[2]), int(match[3]), merged=True)
        )

    @property
    def name(self) -> str:
        """The file's."""
        return f"{self.first:06d}-{self.last:06d}.jsonl.gz" if self.merged else f"{self.first:06d}.jsonl"


def segments_of(names: Iterable[str]) -> list[Segment]:
    """The segments among ``names`` that are to be read, in order: a merged one supersedes those it is of.

    While they are merged both are there, and after a crash as well.
    """
    found = [segment for name in names if (segment := Segment.parse(name))]
    found.sort(key=lambda segment: (segment.first, -segment.last, not segment.merged))
    current: list[Segment] = []
    for segment in found:
        if not current or segment.last > current[-1].last:
            current.append(segment)
    return current


def missing(segments: Iterable[Segment]) -> Segment | None:
    """The first numbers that none of ``segments``, in order, holds though a later one is there."""
    expected = 1
    for segment in segments:
        if segment.first > expected:
            return Segment(expected, segment.first - 1)
        expected = segment.last + 1
    return None
