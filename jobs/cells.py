"""Steps of a grid that rows have fallen into, and the rows that they become."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.clock import Times
from jobs.panel import Rows

Sums = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Cells:
    """Steps that rows have fallen into, in the order of the panel.

    Attributes:
        series, steps: which step of which series; (cells,).
        times: when the row of each is.
        after: how long after the step's beginning that is.
        sums, counts: (cells, columns), of the known values.
    """

    series: Times
    steps: Times
    times: Times
    after: Times
    sums: Sums
    counts: Sums

    def __len__(self) -> int:
        """How many there are."""
        return len(self.series)

    def take(self, chosen: Any) -> Cells:
        """Those that an index or a slice chooses."""
        return Cells(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def followed(self, later: Cells) -> Cells:
        """These and later ones; the last of these and the first of those may be one."""
        pairs = ((getattr(self, field.name), getattr(later, field.name)) for field in fields(self))
        return Cells(*(np.concatenate(pair) for pair in pairs)).joined()

    def joined(self) -> Cells:
        """Neighbours that are one step as one, with their values added up."""
        new = np.ones(len(self), bool)
        new[1:] = (np.diff(self.series) != 0) | (np.diff(self.steps) != 0)
        if new.all():
            return self
        starts = np.flatnonzero(new)
        sums, counts = (np.add.reduceat(each, starts) for each in (self.sums, self.counts))
        return replace(self.take(starts), sums=sums, counts=counts)

    def values(self) -> Rows:
        """The means of what is known, (cells, columns); NaN where nothing is."""
        with np.errstate(invalid="ignore"):
            return (self.sums / self.counts).astype(np.float32)
