"""How far apart a panel's times are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.npyfile import blocks

_Times = npt.NDArray[np.int64]
_MONTH = 28 * 86_400_000_000_000  # nanoseconds; steps from here on are the calendar's


@dataclass(frozen=True)
class Spacing:
    """What there is between neighbouring times of a series.

    Attributes:
        step: the most common distance, in the times' unit.
        gaps: how many distances are larger, months of different lengths excepted.
    """

    step: int
    gaps: int

    @classmethod
    def of(cls, times: _Times, offsets: _Times, time_type: str) -> Spacing:
        """Look at every distance within the series that begin at ``offsets``."""
        counts = _distances(times, offsets)
        step = min(counts, key=lambda distance: (-counts[distance], distance)) if counts else 1
        slack = step // 8 if time_type != "int64" and step >= _MONTH else 0
        return cls(step, sum(count for distance, count in counts.items() if distance > step + slack))


def _distances(times: _Times, offsets: _Times) -> dict[int, int]:
    """How often neighbouring times of one series are so far apart."""
    counts: dict[int, int] = {}
    begin = 0
    for block in blocks(times, overlap=1):
        distances = np.diff(block)
        between = np.searchsorted(offsets, [begin + 1, begin + len(distances) + 1])
        inside = np.delete(distances, offsets[slice(*between)] - begin - 1)
        for distance, count in _counted(inside):
            counts[distance] = counts.get(distance, 0) + count
        begin += len(distances)
    return counts


def _counted(distances: Any) -> list[tuple[int, int]]:
    """Each distance and how often it is there; mostly all are equal, which needs no sorting."""
    if not len(distances):
        return []
    others = distances[distances != distances[0]]
    found = zip(*np.unique(others, return_counts=True), strict=True)
    first = (int(distances[0]), len(distances) - len(others))
    return [first, *((int(distance), int(count)) for distance, count in found)]
