"""How far apart a panel's times are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.clock import DAY, Times, wall, zone_of
from jobs.npyfile import blocks

MONTH = 28 * DAY  # nanoseconds; steps from here on are the calendar's
_MOST = 1 << 17  # different distances that are counted
_HOURS = DAY // 12  # what clocks that are changed make a day longer at most


@dataclass(frozen=True)
class Spacing:
    """What there is between neighbouring times of a series.

    Attributes:
        step: the most common distance, in the times' unit.
        gaps: how many distances are larger, months of different lengths and days on which clocks are changed
            excepted.
        others: how many distances are not the step, larger or smaller.
        business: whether steps are days, and none is on a weekend.
    """

    step: int
    gaps: int
    others: int = 0
    business: bool = False

    @classmethod
    def of(cls, times: Times, offsets: Times, time_type: str) -> Spacing:
        """Look at every distance within the series that begin at ``offsets``."""
        tally = Tally()
        for _, distances, within in neighbours(times, offsets):
            tally.add(distances[within])
        step = next(iter(tally.most(1)), 1)
        slack = _slack(step, time_type)
        if tally.whole:
            others = tally.count(lambda distances: distances != step)
            gaps = tally.count(lambda distances: distances > step + slack)
            return cls(step, gaps, others, business=on_business_days(times, step, time_type))
        gaps = others = 0
        for _, distances, within in neighbours(times, offsets):
            gaps += int((distances[within] > step + slack).sum())
            others += int((distances[within] != step).sum())
        return cls(step, gaps, others, business=on_business_days(times, step, time_type))


def on_business_days(times: Times, step: int, time_type: str) -> bool:
    """Whether steps are days and no time is on a Saturday or Sunday; 1970 began on a Thursday."""
    if step != DAY or time_type == "int64":
        return False
    zone = zone_of(time_type)
    return not any(((wall(block, zone) // DAY + 3) % 7 >= 5).any() for block in blocks(times))


class Tally:
    """How often each distance is there; of very many different ones, the rarest are forgotten.

    Attributes:
        whole: whether none has been forgotten.
    """

    def __init__(self) -> None:
        self._distances = self._counts = np.zeros(0, np.int64)
        self.whole = True

    def add(self, distances: Times) -> None:
        """Count these; mostly all are equal, which needs no sorting."""
        if not len(distances):
            return
        others = distances[distances != distances[0]]
        found, counts = np.unique(others, return_counts=True)
        new = np.concatenate([distances[:1], found, self._distances])
        counts = np.concatenate([[len(distances) - len(others)], counts, self._counts])
        self._distances, place = np.unique(new, return_inverse=True)
        self._counts = np.bincount(place, weights=counts).astype(np.int64)
        if len(self._distances) > _MOST:
            kept = np.sort(np.argsort(-self._counts, kind="stable")[: _MOST // 2])
            self._distances, self._counts = self._distances[kept], self._counts[kept]
            self.whole = False

    def most(self, count: int) -> list[int]:
        """The most common distances, of those as common the smaller first."""
        order = np.argsort(-self._counts, kind="stable")[:count]
        return [int(distance) for distance in self._distances[order]]

    def count(self, chosen: Callable[[Times], Any]) -> int:
        """How many are so."""
        return int(self._counts[chosen(self._distances)].sum())


def _slack(step: int, time_type: str) -> int:
    """How much longer than a step a distance may be that is one of the calendar's."""
    if time_type == "int64":
        return 0
    return step // 8 if step >= MONTH else _HOURS if step >= DAY and zone_of(time_type) else 0


def neighbours(times: Times, offsets: Times) -> Iterator[tuple[int, Times, npt.NDArray[np.bool_]]]:
    """The distances between neighbouring rows, in blocks.

    Yields:
        The row with which a block's first distance begins; the distances, and which lie within one series.
    """
    begin = 0
    for block in blocks(times, overlap=1):
        distances = np.diff(block)
        within = np.ones(len(distances), bool)
        between = np.searchsorted(offsets, [begin + 1, begin + len(distances) + 1])
        within[offsets[slice(*between)] - begin - 1] = False
        yield begin, distances, within
        begin += len(distances)


def in_words(step: int, time_type: str) -> str:
    """A step as pandas reads it, such as ``1h`` or ``30min``; ``1`` for integer times."""
    if time_type == "int64":
        return str(step)
    if step >= MONTH:
        return f"{max(1, round(step / DAY / 30.44))}MS"
    units = (("D", DAY), ("h", 3_600_000_000_000), ("min", 60_000_000_000), ("s", 1_000_000_000))
    name, size = next(((name, size) for name, size in units if step % size == 0), ("ns", 1))
    return f"{step // size}{name}"
