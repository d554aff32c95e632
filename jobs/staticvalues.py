"""What a static column says in some rows: one value for each series, or a refusal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.errors import JobError


@dataclass(frozen=True)
class Static:
    """A static column's values.

    Attributes:
        values: float64, (rows,) or (series,): numbers, or indices into the texts.
        texts: those that there are; None where the column holds numbers.
    """

    values: npt.NDArray[np.float64]
    texts: tuple[str, ...] | None = None


def condensed(shard: str, name: str, rows: Static, series: Any, ids: tuple[str | int | None, ...]) -> Static:
    """The values of rows, of the series with these numbers in ``ids``, as one for each series.

    Raises:
        JobError: they are not the same in all rows of a series.
    """
    first = np.empty(len(ids), np.int64)
    first[series[::-1]] = np.arange(len(series))[::-1]
    values = rows.values[first]
    other = np.flatnonzero(values[series] != rows.values)
    if len(other):
        two = tuple(
            f"{value:g}" if rows.texts is None else repr(rows.texts[int(value)])
            for value in (values[series[other[0]]], rows.values[other[0]])
        )
        raise not_static(shard, name, ids[series[other[0]]], two)
    return Static(values, rows.texts)


def not_static(shard: str, name: str, whose: str | int | None, two: tuple[str, ...]) -> JobError:
    """The refusal of a column that has two values in one series."""
    return JobError(
        f"shard {shard}: static column {name!r}{of_series(whose)} is {two[0]} in one row and {two[1]} in "
        "another; it has one value in a series, a column that changes belongs to data.past or data.future"
    )


def of_series(whose: str | int | None) -> str:
    """Whose a value is, as the end of a phrase."""
    return "" if whose is None else f" of series {whose!r}"
