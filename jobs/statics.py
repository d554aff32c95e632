"""Static covariates: what is the same in every row of a series and is kept once for each."""

from __future__ import annotations

from typing import Any

import numpy as np

from jobs.errors import JobError
from jobs.panel import Rows
from jobs.pieces import Piece
from jobs.source import Columns
from jobs.staticvalues import Static, not_static, of_series

_MOST = 100  # categories of a text


class Statics:
    """Collects the static values of series that come in any order and any number of times."""

    def __init__(self, columns: Columns) -> None:
        """For the static columns; texts have the categories that are demanded, else those that come."""
        self._columns = columns
        self._demanded = dict(columns.categories)
        self._codes: dict[str, dict[str, int]] = {}
        for name, categories in columns.categories:
            self._codes[name] = {category: code for code, category in enumerate(categories)}
        self._values = np.full((0, len(columns.static)), np.nan)

    def add(self, shard: str, piece: Piece, numbers: Any) -> None:
        """Add the values of the piece's series, which have these numbers among all.

        Raises:
            JobError: a series had another value before, or a text is one too many, or is not among those
                that are demanded.
        """
        missing = int(numbers.max()) + 1 - len(self._values)
        if missing > 0:  # twice as many as there are, so that few copies are made
            room = np.full((max(missing, len(self._values)), self._values.shape[1]), np.nan)
            self._values = np.concatenate([self._values, room])
        for index, (name, part) in enumerate(zip(self._columns.static, piece.statics, strict=True)):
            new = part.values if part.texts is None else self._coded(shard, name, part, piece)
            if part.texts is None and name in self._demanded:
                raise JobError(
                    f"shard {shard}: static column {name!r} holds numbers, but texts in training; "
                    "write it as in training"
                )
            old = self._values[numbers, index]
            other = np.flatnonzero((old != new) & ~np.isnan(old))
            if len(other):
                first = other[0]
                two = tuple(self._said(name, part, values[first]) for values in (old, new))
                raise not_static(shard, name, piece.names[first], two)
            self._values[numbers, index] = new

    def finish(self, order: Any) -> tuple[tuple[str, ...], Rows]:
        """The features' names, and (series, features) for the series with these numbers, in their order."""
        names: list[str] = []
        found: list[Any] = []
        for index, name in enumerate(self._columns.static):
            values = self._values[order, index]
            codes = self._codes.get(name)
            if codes is None:
                names.append(name)
                found.append(values)
                continue
            categories = self._demanded.get(name, tuple(sorted(codes)))
            names += [f"{name}={category}" for category in categories]
            found += [values == codes[category] for category in categories]
        return tuple(names), np.stack(found, axis=1).astype(np.float32)

    def _coded(self, shard: str, name: str, part: Static, piece: Piece) -> Any:
        """The texts as numbers that are the same in all pieces."""
        codes = self._codes.setdefault(name, {})
        numbers = np.empty(len(part.texts or ()))
        for index, category in enumerate(part.texts or ()):
            if name in self._demanded and category not in codes:
                whose = piece.names[int(np.flatnonzero(part.values == index)[0])]
                raise JobError(
                    f"shard {shard}: static column {name!r}{of_series(whose)} is {category!r}, which was not "
                    f"among the categories of training ({', '.join(map(repr, self._demanded[name]))}); "
                    "leave such series out, or train with them"
                )
            numbers[index] = codes.setdefault(category, len(codes))
        if name not in self._demanded and len(codes) > _MOST:
            raise JobError(
                f"shard {shard}: static column {name!r} has more than {_MOST} categories; "
                "join the rare ones, or leave the column out of data.static"
            )
        return numbers[part.values.astype(np.int64)]

    def _said(self, name: str, part: Static, value: float) -> str:
        if part.texts is None:
            return f"{value:g}"
        return repr(next(text for text, code in self._codes[name].items() if code == value))
