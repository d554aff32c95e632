"""Series as one panel: contiguous float32 rows with an offset for each series.

A panel is read from Parquet shards once, into a folder of plain ``.npy`` files, and memory-mapped from there
by every process of the node without a copy.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.clock import DAY
from jobs.npyfile import blocks
from jobs.pages import Pages
from jobs.spacing import Spacing, in_words

Rows = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]

_SEASON_OF_DAYS = ((1, 7), (7, 52))  # daily, weekly
_MONTH = 28  # days


@dataclass(frozen=True)
class Panel:
    """All rows of all series, sorted by series and, within one, by time.

    Attributes:
        columns: names of the columns of ``rows``: targets, past covariates, those known ahead (future
            covariates, then features of the calendar), masks.
        targets: how many of them are targets.
        rows: (steps of all series, columns), float32, raw values.
        times: (steps of all series,), int64: nanoseconds since 1970 in UTC, or the integer time itself.
        offsets: (series + 1,), int64: series ``i`` has the rows ``offsets[i]:offsets[i + 1]``.
        series: the series' ids in that order; one ``None`` where there is no id column.
        time_type: the time column's Arrow type, to write forecasts with.
        spacing: what there is between the times, if it is known already.
        pages: keeps what a process has in memory of the rows in bounds.
        folder: where the files lie that it is mapped from.
        known: how many columns are known ahead, the calendar's included.
        calendar: how many of these are the calendar's, which are the last of them.
        masks: how many columns are masks, which are the last: one of each target and past covariate, in the
            order of these, or none.  0 is where the value was known, 1 where it was missing and is filled.
        hidden: no network is given the masks.  They say where a filled value comes from, too: how many rows
            before it lies the last known one, or, as a negative number, how many behind it the first.
        static: (series, static features), float32, raw values.
        statics: the names of the static features; a text gives one a category, ``column=category``.
        filled: how many values were missing and have been filled, by column; nothing if nothing was.
        grid: the ``data.frequency`` that its rows were brought to, if they were.
    """

    columns: tuple[str, ...]
    targets: int
    rows: Rows
    times: Indices
    offsets: Indices
    series: tuple[str | int | None, ...]
    time_type: str
    spacing: Spacing | None = None
    pages: Pages | None = None
    folder: Path | None = None
    known: int = 0
    calendar: int = 0
    masks: int = 0
    hidden: bool = False
    static: Rows | None = None
    statics: tuple[str, ...] = ()
    filled: tuple[tuple[str, int], ...] = ()
    grid: str | int | None = None

    @property
    def inputs(self) -> tuple[str, ...]:
        """What a network is given of each step: columns, then static features."""
        columns = self.columns[: -self.masks] if self.hidden else self.columns
        return *columns, *self.statics

    def lengths(self) -> Indices:
        """Steps of each series, (series,)."""
        return np.diff(self.offsets)

    def step(self) -> int:
        """The most common distance between neighbouring times, in their unit."""
        return self._spacing.step

    def gaps(self) -> int:
        """How many neighbouring times were further apart than one step, as they came (months excepted)."""
        return self._spacing.gaps

    def others(self) -> int:
        """How many neighbouring times were not one step apart, as they came."""
        return self._spacing.others

    @cached_property
    def _spacing(self) -> Spacing:
        return self.spacing or Spacing.of(self.times, self.offsets, self.time_type)

    def season(self) -> int:
        """Steps in one season: a day of hours, a week of (business) days, a year of weeks or months; or 1."""
        step = self.step()
        if self.time_type == "int64" or step <= 0:
            return 1
        if step < DAY:
            return max(1, round(DAY / step))
        days = step / DAY
        if days >= _MONTH:
            months = max(1, round(days / 30.44))
            return 12 // months if 12 % months == 0 else 1
        if self._spacing.business:
            return 5
        return next((season for longest, season in _SEASON_OF_DAYS if days <= longest), 1)

    def frequency(self) -> str:
        """One step in words that pandas reads, such as ``1h`` or ``30min``; ``1`` for integer times."""
        return in_words(self.step(), self.time_type)

    def fingerprint(self) -> str:
        """A SHA-256 of every value, time, id and column name: equal panels, and only they, agree."""
        digest = hashlib.sha256(json.dumps(self._header(), sort_keys=True).encode())
        static = () if self.static is None else (self.static,)
        for array in (self.rows, self.times, self.offsets, *static):
            for block in blocks(array):
                digest.update(np.ascontiguousarray(block).data)
        return digest.hexdigest()

    def save(self, folder: Path) -> None:
        """Write the panel where ``load`` maps it."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("rows", "times", "offsets", "static"):
            if getattr(self, name) is not None:
                np.save(folder / f"{name}.npy", getattr(self, name))
        self.seal(folder)

    def seal(self, folder: Path) -> None:
        """Mark the folder's arrays as this panel, whole: ``panel.json`` comes last."""
        known = {"spacing": asdict(self._spacing), "filled": self.filled, "grid": self.grid}
        (folder / "panel.json").write_text(json.dumps(self._header() | known))

    @classmethod
    def load(cls, folder: Path) -> Panel:
        """Map a saved panel; its pages are shared by every process of the node that does so."""
        header = json.loads((folder / "panel.json").read_text())
        return cls(
            columns=tuple(header["columns"]),
            targets=header["targets"],
            series=tuple(header["series"]),
            time_type=header["time_type"],
            spacing=Spacing(**header["spacing"]),
            folder=folder,
            known=header["known"],
            calendar=header["calendar"],
            masks=header["masks"],
            hidden=header["hidden"],
            statics=tuple(header["statics"]),
            grid=header["grid"],
            filled=tuple((name, count) for name, count in header["filled"]),
            **map_arrays(folder),
        )

    def _header(self) -> dict[str, object]:
        return {
            "columns": self.columns,
            "targets": self.targets,
            "series": self.series,
            "time_type": self.time_type,
            "known": self.known,
            "calendar": self.calendar,
            "masks": self.masks,
            "hidden": self.hidden,
            "statics": self.statics,
        }


def map_arrays(folder: Path) -> dict[str, Any]:
    """The ``rows``, ``times`` and ``offsets`` that lie in a folder, and ``static`` where there is one."""
    arrays = {
        "rows": np.load(folder / "rows.npy", mmap_mode="r"),
        "times": np.load(folder / "times.npy", mmap_mode="r"),
        "offsets": np.load(folder / "offsets.npy"),
    }
    static = folder / "static.npy"
    return arrays | ({"static": np.load(static)} if static.exists() else {})
