"""Merging a journal's segments: thousands of uploads become few files, and a long journal becomes small.

Only whoever holds the sweep's lease merges, and only segments that nobody writes to any more, as many as one
file may hold.  The merged file carries the range of their numbers in its name; it is written first, whole,
and they are deleted afterwards, when it has been read again.  Readers that see both pass them over, so that a
crash in between loses and repeats nothing.

The merged file holds the same records but for pauses that no replay needs: nothing depends on them but the
trial's state at that moment, which a later leg or end of the same trial replaces.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator

from cluster.errors import ClusterError, StorageAwayError
from cluster.segments import Segment
from cluster.storage import SweepFolder
from runner import journal
from runner.journal import HEAD, Event, read_segment

_LARGE = 1 << 20  # bytes of a segment from which on it is compressed though it is the only one
_TRAILER = 4  # bytes at a gzip file's end, that say how many it holds
_RESULT = b'{"event":"result"'


def merge(folder: SweepFolder, before: int) -> None:
    """Merge all segments whose numbers are less than ``before`` into one file, or as few as hold them.

    Raises:
        ClusterError: one of them cannot be read, or the storage does not take the file or gives another one
            back; they are still there.
    """
    _merge_all(folder, [segment for segment in folder.segments() if segment.last < before], before)


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
    begin, size = len(closed) - count, sum(_size(folder, segment) for segment in closed[-count:])
    while begin and (larger := _size(folder, closed[begin - 1])) <= size:
        begin, size = begin - 1, size + larger
    _merge_all(folder, closed[begin:], before)


def _size(folder: SweepFolder, segment: Segment) -> int:
    """Bytes of its lines."""
    path = folder.journal(segment.name)
    size = folder.size(path)
    return (
        int.from_bytes(folder.read_from(path, max(0, size - _TRAILER)), "little") if segment.merged else size
    )


def _merge_all(folder: SweepFolder, segments: list[Segment], before: int) -> None:
    """Merge segments, which follow on one another, and delete what is then superseded."""
    read_again = {_merge(folder, group) for group in _groups(folder, segments)}
    _delete_superseded(folder, before, read_again)


def _groups(folder: SweepFolder, segments: list[Segment]) -> list[list[Segment]]:
    """Those that are merged into a file each: as many as it may hold, or a large one by itself."""
    groups: list[list[Segment]] = []
    sizes: list[int] = []
    for segment in segments:
        size = _size(folder, segment)
        if not groups or sizes[-1] + size > journal.MERGED:
            groups.append([])
            sizes.append(0)
        groups[-1].append(segment)
        sizes[-1] += size
    return [
        group
        for group, size in zip(groups, sizes, strict=True)
        if len(group) > 1 or (size >= _LARGE and not group[0].merged)
    ]


def _merge(folder: SweepFolder, segments: list[Segment]) -> Segment:
    """Write the file that supersedes segments, and see that it is read as it was meant."""
    lines = needed([line for segment in segments for line in read_segment(folder, segment)])
    whole = Segment(segments[0].first, segments[-1].last, merged=True)
    meant = _fingerprint(lines)
    data = gzip.compress(b"".join(lines), compresslevel=1, mtime=0)
    del lines
    path = folder.journal(whole.name)
    folder.write(path, data)
    folder.settle(path)  # before those that it stands for are deleted
    try:
        found = _fingerprint(read_segment(folder, whole))
    except StorageAwayError:
        raise
    except ClusterError:
        found = None
    if found != meant:
        folder.delete(path)  # what it was to supersede is there still, and read again
        raise ClusterError(f"{folder.inside(path)}: another file is read than was written; check the storage")
    return whole


def _fingerprint(lines: list[bytes]) -> tuple[int, int]:
    """How many lines there are, and a checksum of all."""
    checksum = 0
    for line in lines:
        checksum = zlib.crc32(line, checksum)
    return len(lines), checksum


def _delete_superseded(folder: SweepFolder, before: int, read_again: set[Segment]) -> None:
    """Delete what merged files stand for; those that an earlier process left are read before."""
    current = folder.segments()
    for name in folder.files(folder.JOURNAL):
        segment = Segment.parse(name)
        if segment is None or segment.last >= before or segment in current:
            continue
        whole = next(each for each in current if each.first <= segment.first and segment.last <= each.last)
        if whole not in read_again:
            read_segment(folder, whole)
            read_again.add(whole)
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
