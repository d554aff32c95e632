"""Merging a journal's segments: thousands of uploads become few files, and a long journal becomes small.

Only whoever holds the sweep's lease merges, and only segments that nobody writes to any more.  The merged
file carries the range of their numbers in its name; it is written first, whole, and they are deleted
afterwards.  Readers that see both pass them over, so that a crash in between loses and repeats nothing.

The merged file holds the same records but for pauses that no replay needs: nothing depends on them but the
trial's state at that moment, which a later leg or end of the same trial replaces.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

from cluster.segments import Segment
from cluster.storage import SweepFolder
from runner.journal import HEAD, Event, read_segment

_LARGE = 1 << 20  # bytes of a segment from which on it is compressed though it is the only one
_RESULT = b'{"event":"result"'


def merge(folder: SweepFolder, before: int) -> None:
    """Merge all segments whose numbers are less than ``before`` into one file.

    Raises:
        ClusterError: one of them cannot be read, or the storage does not take the file; all is as it was.
    """
    closed = [segment for segment in folder.segments() if segment.last < before]
    alone = len(closed) == 1 and not closed[0].merged
    if len(closed) > 1 or (alone and folder.size(folder.journal(closed[0].name)) >= _LARGE):
        _merge(folder, closed)
    _delete_superseded(folder, before)


def merge_latest(folder: SweepFolder, before: int, least: int) -> None:
    """Merge the latest segments, if there are ``least`` so many, with what is no larger than they are.

    A record is merged again only as often as the journal doubles.  Numbers from ``before`` on are left alone.

    Raises:
        ClusterError: as ``merge``.
    """
    closed = [segment for segment in folder.segments() if segment.last < before]
    count = sum(not segment.merged for segment in closed)
    if count < least:
        return
    begin, size = len(closed) - count, _size(folder, closed[-count:])
    while begin and (larger := _size(folder, closed[begin - 1 : begin])) <= size:
        begin, size = begin - 1, size + larger
    _merge(folder, closed[begin:])
    _delete_superseded(folder, before)


def _size(folder: SweepFolder, segments: list[Segment]) -> int:
    """Records' bytes, about: of numbers and names, four shrink to one."""
    return sum(
        folder.size(folder.journal(segment.name)) * (4 if segment.merged else 1) for segment in segments
    )


def _merge(folder: SweepFolder, segments: list[Segment]) -> None:
    lines = [line for segment in segments for line in read_segment(folder, segment)]
    whole = Segment(segments[0].first, segments[-1].last, merged=True)
    data = gzip.compress(b"".join(needed(lines)), compresslevel=1, mtime=0)
    folder.write(folder.journal(whole.name), data)
    folder.settle(folder.journal(whole.name))  # before those that it stands for are deleted


def _delete_superseded(folder: SweepFolder, before: int) -> None:
    current = set(folder.segments())
    for name in folder.files(folder.JOURNAL):
        segment = Segment.parse(name)
        if segment is not None and segment.last < before and segment not in current:
            folder.delete(folder.journal(name))


def needed(lines: list[bytes]) -> list[bytes]:
    """The lines that a replay needs, of lines that follow on one another in a journal.

    The last sign of life of each process stays: how long it ran is counted up to that.
    """
    return list(_needed(lines))[::-1]


def _needed(lines: list[bytes]) -> Iterator[bytes]:
    replaced: set[str] = set()  # trials whose state a later record sets
    following = b""
    for line in reversed(lines):
        if not line.startswith(_RESULT, HEAD):
            event = _event(line)
            if event["event"] == "pause" and event["trial"] in replaced and _outlived(event, following):
                continue
            if event["event"] in {"leg", "end"}:
                replaced.add(event["trial"])
        following = line
        yield line


def _outlived(pause: Event, following: bytes) -> bool:
    """Whether the same process, by the same clock, has said something later."""
    event = _event(following)
    return event["event"] != "start" and pause.get("time", 0.0) <= event.get("time", -1.0)


def _event(line: bytes) -> Event:
    event: Event = json.loads(line[HEAD:])
    return event
