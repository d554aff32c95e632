"""A piece of what is read: neighbouring rows of a shard, made ready beside other pieces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import pyarrow as pa

from jobs.panel import Indices, Rows
from jobs.runs import Numbers, Runs, order_by_time
from jobs.staticvalues import Static, condensed

NONE: Mapping[str, Static] = MappingProxyType({})  # static columns
_SHORT = 32  # rows; runs below take memory that counts, so that there had better be fewer of them


@dataclass(frozen=True)
class Piece:
    """Some rows of some series.

    Attributes:
        rows: (rows, columns) values.
        times: (rows,).
        names: ids of the series that are in it; one None where there is no id column.
        runs: stretches of ``rows``, their series numbered as in ``names``.
        statics: the static columns' values, one for each of ``names``.
    """

    rows: Rows
    times: Indices
    names: tuple[str | int | None, ...]
    runs: Runs
    statics: tuple[Static, ...] = ()

    @classmethod
    def of(
        cls,
        rows: Rows,
        times: Indices,
        ids: pa.Array | None,
        statics: Mapping[str, Static] = NONE,
        *,
        shard: str = "",
    ) -> Piece:
        """From rows as they came; they are sorted if that makes far fewer runs.  There is at least one.

        Raises:
            JobError: names the ``shard``, if a static column has two values in a series.
        """
        names, series = _numbered(ids, len(rows))
        once = (condensed(shard, name, each, series, names) for name, each in statics.items())
        piece = cls(rows, times, names, Runs.find(series, times), tuple(once))
        # Long runs are left alone: joined, they would overlap with what lies between them.
        short = len(piece.runs.series) * _SHORT > len(rows)
        return piece._sorted(series) if short and len(piece.runs.series) > len(names) else piece

    def _sorted(self, series: Numbers) -> Piece:
        order = order_by_time(series, self.times)
        times = self.times[order]
        return replace(self, rows=self.rows[order], times=times, runs=Runs.find(series[order], times))


def _numbered(ids: pa.Array | None, count: int) -> tuple[tuple[str | int | None, ...], Numbers]:
    """The ids that there are, and for each row the number of its own."""
    if ids is None:
        return (None,), np.zeros(count, np.int32)
    coded = ids.dictionary_encode()
    numbers = coded.indices.to_numpy().astype(np.int32)
    used = np.bincount(numbers, minlength=len(coded.dictionary)) > 0
    if used.all():
        return tuple(coded.dictionary.to_pylist()), numbers
    ranks = np.cumsum(used, dtype=np.int32) - 1  # a file's dictionary may hold ids that no row here has
    return tuple(coded.dictionary.filter(pa.array(used)).to_pylist()), ranks[numbers]
