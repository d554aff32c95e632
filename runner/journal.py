r"""The append-only log of a sweep, its one source of truth.

Format, version 2: files ``journal/000001.jsonl`` and on, read in that order.  A line is the CRC-32 of the
rest in eight hex digits, a space, and one JSON object with the key ``event``; a reader passes over events and
keys that it does not know, and the version is raised for those that it could not do without:

=========  =====================================================================================
event      its other keys
=========  =====================================================================================
start      ``version``, ``time``, ``versions``, ``planned`` trials, ``fidelity`` (what an epoch is, see
           ``jobs.fidelity``), ``fingerprint`` of the data, ``code`` (a SHA-256 of the user's modules, see
           ``jobs.usercode``): a process began to run the sweep
given      ``configurations`` (``values``, ``source``) that come first, ``evidence`` of other sweeps
           (``values``, ``epoch``, ``score``), perhaps ``warm``, the model whose weights networks begin with
           (``sweep``, ``sha256``, ``built``)
trial      ``trial``, ``number``, ``values``: a configuration was chosen; on GPUs ``off_cudnn``, why it runs
           there without cuDNN's kernels
leg        ``trial``, ``epoch``: training began, or went on, after that epoch
result     ``trial``, ``epoch``, ``score``, ``best_score``, ``best_epoch``, ``metrics``, ``seconds``,
           ``ended``, ``vitals``, ``rung``: whether the scheduler decides after it
pause      ``trial``: waits for the scheduler, or for the sweep to be resumed
lost       ``trial``, ``error``, ``timeout`` (whether it ran too long), perhaps ``node`` (whether that was its
           node's end): its worker is gone, it will run again
grow       ``trial``, ``error``, ``gpu`` or ``cpu``: ran out of memory, will run again with that share of a
           card, or in the room of so many cores
exploit    ``trial``, ``donor``, ``values``: goes on from that one's weights, with these values
inherit    ``trial``: those weights are its own now
retry      ``trial``: failed, begins once more
end        ``trial``, ``state``, ``error``
scored     ``trial``, ``epoch``, ``scores`` of that model and of the baseline on the test part, or None and
           perhaps ``error``, why; ``signature``: what the model takes and gives
finish     ``state``, ``time``: the process ended the sweep's run
=========  =====================================================================================

A record is handed to the operating system before anything acts on it, so it survives the death of any
process; it is fsynced (on an object store: uploaded, a segment at a time) within a second, so that losing
the machine costs at most that second.  While an object store is away records wait in memory, for ten
minutes at most.  Every process writes segments of its own, each of 64 MiB at most or of one record; a torn
last line of one is ignored.

Since version 2 segments that nobody writes to any more are merged (``runner.compaction``): the file
``000001-000064.jsonl.gz`` stands for those of that range, which it supersedes, and holds their lines,
compressed, at most 128 MiB of them where they are of several.  No file that holds more than 1 GiB is read.
Beside them ``results.json`` sums up the journal's beginning (``runner.summary``); it is made from the journal
and may be deleted.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from cluster.errors import ClusterError
from cluster.segments import Segment
from cluster.storage import SweepFolder

VERSION = 2
Event = dict[str, Any]
HEAD = 9  # bytes of a line before its object
FULL = 64 << 20  # bytes of a segment that its writer adds nothing to
MERGED = 128 << 20  # bytes of lines that are merged into one file
_LARGEST = (
    1 << 30
)  # bytes of a file, of which Recur's have a small part: a hostile one may swell to any number
_AT_ONCE = 16  # segments read from an object store, which answers late rather than slowly


@dataclass(frozen=True)
class Place:
    """Between two records of a journal: behind the segments before ``segment`` and ``offset`` bytes of that.

    Attributes:
        last, mark: where in ``segment`` the record before it begins, and that one's checksum, by which the
            journal is known; nothing where there is none.
    """

    segment: int = 1
    offset: int = 0
    last: int = 0
    mark: str = ""


START = Place()


def encode(event: Event) -> bytes:
    """One line of the journal."""
    body = json.dumps(event, separators=(",", ":"), allow_nan=False).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def decode(data: bytes) -> Iterator[tuple[Event, int]]:
    """The records of a segment and where each ends; stops at the first line that is not whole."""
    end = 0
    for line in data.splitlines(keepends=True):
        if not _is_whole(line):
            return
        end += len(line)
        yield json.loads(line[HEAD:]), end


def _is_whole(line: bytes) -> bool:
    checksum = b"%08x " % zlib.crc32(memoryview(line)[HEAD:-1])
    return line.endswith(b"\n") and line.startswith(checksum)


def whole_lines(data: bytes, source: str) -> list[bytes]:
    """The lines of a segment, ``source``, that are whole records; a torn last one is left out.

    Raises:
        ClusterError: a record is damaged that was whole once, for others follow it.
    """
    lines = data.splitlines(keepends=True)
    count = next((n for n, line in enumerate(lines) if not _is_whole(line)), len(lines))
    if any(map(_is_whole, lines[count + 1 :])):
        raise ClusterError(
            f"{source}: line {count + 1} is damaged and whole ones follow it; "
            "restore the file from a copy, or begin again with --fresh"
        )
    return lines[:count]


def read_segment(folder: SweepFolder, segment: Segment) -> list[bytes]:
    """The lines of a segment that are whole records.

    Raises:
        ClusterError: it cannot be read, or is damaged.
    """
    path = folder.journal(segment.name)
    data = folder.read(path, _LARGEST)
    if segment.merged:
        try:
            data = _decompressed(data)
        except (ValueError, zlib.error) as error:
            raise ClusterError(
                f"{folder.inside(path)}: is damaged ({error}); restore the file from a copy, or begin again "
                "with --fresh"
            ) from None
    return whole_lines(data, folder.inside(path))


def _decompressed(data: bytes) -> bytes:
    """What a gzip file holds; not all of it where that is more than any segment: a small one may swell."""
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    found = stream.decompress(data, _LARGEST)
    if not stream.eof:
        more = stream.unconsumed_tail
        raise ValueError(f"it holds more than {_LARGEST >> 30} GiB" if more else "it ends too early")
    return found


def read_journal(folder: SweepFolder) -> list[Event]:
    """Every record that is whole, in order; a journal may be read while it is written.

    Raises:
        ClusterError: a record is damaged that was whole once, for others follow it.
    """
    read = read_after(folder, START)
    assert read is not None, "every journal has a start"  # noqa: S101
    return read[0]


def read_after(folder: SweepFolder, place: Place) -> tuple[list[Event], Place] | None:
    """The records after a place, and the place after them; None if this journal does not have the place.

    Raises:
        ClusterError: as ``read_journal``.
    """
    while True:
        segments = folder.segments()
        try:
            return _read(folder, segments, place)
        except ClusterError:
            if set(segments) <= set(folder.segments()):
                raise  # else they were merged meanwhile, or are there no more


def _read(folder: SweepFolder, segments: list[Segment], place: Place) -> tuple[list[Event], Place] | None:
    later = [segment for segment in segments if segment.last >= place.segment]
    earlier = segments[len(segments) - len(later) - 1].last if len(later) < len(segments) else 0
    if earlier != place.segment - 1 or (later and later[0].first < place.segment):
        return None
    found: list[bytes] = []
    if place.offset:
        rest = _rest(folder, later.pop(0), place) if later else None
        if rest is None:
            return None
        found, place = rest
    with ThreadPoolExecutor(1 if folder.storage.local else _AT_ONCE, "journal") as pool:
        for segment, lines in zip(later, pool.map(partial(read_segment, folder), later), strict=True):
            found += lines
            place = Place(segment.last + 1) if segment.merged else _after(Place(segment.first), lines)
    return [json.loads(line[HEAD:]) for line in found], place


def _rest(folder: SweepFolder, segment: Segment, place: Place) -> tuple[list[bytes], Place] | None:
    """The lines of the place's own segment that come after it, and the place after them; None as above.

    None, too, if they are damaged: whoever begins at the beginning is told which one is.
    """
    if segment.merged:
        return None
    path, length = folder.journal(segment.name), place.offset - place.last
    data = folder.read_from(path, place.last, _LARGEST)
    if not (_is_whole(data[:length]) and data.startswith(place.mark.encode())):
        return None
    with suppress(ClusterError):
        lines = whole_lines(data[length:], folder.inside(path))
        return lines, _after(place, lines)
    return None


def _after(place: Place, lines: list[bytes]) -> Place:
    """The place so many lines on, in the same segment."""
    if not lines:
        return place
    end, last = place.offset + sum(map(len, lines)), lines[-1]
    return Place(place.segment, end, end - len(last), last[: HEAD - 1].decode())
