"""Windows cut out of a panel's rows, as a network takes them but for the scaling."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from jobs.panel import Indices, Panel, Rows
from jobs.params import WindowParams

Cut = dict[str, Any]


@dataclass(frozen=True)
class Cutter:
    """Cuts windows, given what stands for them (see ``windows.Starts``).

    Attributes:
        panel: the series.
        window: sizes and kind.
        separate: each target is a series of its own: windows have a channel, and of the targets and their
            masks only that one's column.
    """

    panel: Panel
    window: WindowParams
    separate: bool = False

    @property
    def targets(self) -> int:
        """Columns to forecast."""
        return 1 if self.separate else self.panel.targets

    @property
    def columns(self) -> Indices:
        """Which columns of the panel a network is given of each channel, (channels, columns)."""
        return self._columns[:, : -self._masks] if self.panel.hidden else self._columns

    @cached_property
    def _columns(self) -> Indices:
        """These, and the masks that it is not given."""
        panel = self.panel
        every = np.arange(len(panel.columns))
        if not self.separate:
            return every[None]
        first_mask = len(every) - panel.masks
        mine = np.arange(panel.targets)[:, None]
        masks = [mine + first_mask] if panel.masks else []
        others = every[panel.targets : first_mask], every[first_mask + panel.targets :]
        before, after = (np.tile(each, (panel.targets, 1)) for each in others)
        return np.concatenate([mine, before, *masks, after], axis=1)

    @property
    def _masks(self) -> int:
        """How many of them are masks."""
        return self.panel.masks and self.panel.masks - self.panel.targets + self.targets

    @property
    def known(self) -> slice:
        """Of a window's columns those that are known ahead."""
        stop = self._columns.shape[1] - self._masks
        return slice(stop - self.panel.known, stop)

    @property
    def inputs(self) -> int:
        """Columns of a window that a network is given: the panel's, then the static features."""
        return self.columns.shape[1] + len(self.panel.statics)

    def series(self, starts: Indices) -> Indices:
        """The series that windows belong to, by number."""
        last = starts // self.channels + self.window.lookback - 1  # of the steps that a short window has, too
        return np.searchsorted(self.panel.offsets, last, side="right") - 1

    @property
    def channels(self) -> int:
        """Windows that begin at each row."""
        return len(self._columns)

    def inputs_of(self, starts: Indices) -> Cut:
        """``x`` (windows, lookback, inputs), raw; and ``length`` (windows,), where windows are padded."""
        begin, channel = np.divmod(starts, self.channels)
        steps = np.arange(self.window.lookback)
        found: Cut = {}
        if self.window.padded:
            base, length = self._real(begin)
            index = base[:, None] + np.minimum(steps, length[:, None] - 1)
            found["length"] = length.astype(np.int32)
        else:
            index = begin[:, None] + steps
        found["x"] = self._rows(index, channel)
        if self.panel.hidden:
            self._forget(found["x"], index, channel)
            found["x"] = found["x"][:, :, : -self._masks]
        if self.panel.static is not None:
            static = self.panel.static[self.series(starts)][:, None]
            static = np.broadcast_to(static, (len(starts), self.window.lookback, static.shape[2]))
            found["x"] = np.concatenate([found["x"], static], axis=2)
        return found

    def ahead_of(self, starts: Indices, *, sequence: bool = False) -> Cut:
        """What is ahead of windows: the horizon, or, for a ``sequence``, all steps from the second on.

        Returns:
            ``y`` (windows, steps, targets), raw; ``ahead`` (windows, steps, known) if anything is known; and
            ``there`` (windows, steps, targets), 1 where a target was not missing, if any may be.
        """
        begin, channel = np.divmod(starts, self.channels)
        window, panel = self.window, self.panel
        first = 1 if sequence else window.lookback
        steps = np.arange(first, window.lookback + window.horizon)
        if sequence and window.padded:
            begin, length = self._real(begin)
            steps = np.minimum(steps, length[:, None] + window.horizon - 1)
        index = begin[:, None] + steps
        if not (self.separate or panel.known or panel.masks):
            return {"y": panel.rows[index, : self.targets]}
        rows = self._rows(index, channel)
        found = {"y": rows[:, :, : self.targets]}
        if panel.known:
            found["ahead"] = rows[:, :, self.known]
        if panel.masks:
            masks = rows[:, :, self.known.stop :]
            found["there"] = (masks[:, :, : self.targets] == 0).astype(np.float32)
        return found

    def _forget(self, x: Any, index: Indices, channel: Indices) -> None:
        """Take from windows of rows (windows, steps) what nobody knew at their last steps."""
        columns = self._columns[channel, : self._masks]
        known, last = known_at(self.panel, index[:, -1], columns)
        seen = x[:, :, : self._masks]
        np.copyto(seen, last[:, None], where=index[:, :, None] > known[:, None])

    def _rows(self, index: Indices, channel: Indices) -> Any:
        """Rows (windows, steps) of the panel, with the columns of the windows' channels."""
        if not self.separate:
            return self.panel.rows[index]
        return self.panel.rows[index[:, :, None], self._columns[channel][:, None, :]]

    def _real(self, begin: Indices) -> tuple[Indices, Indices]:
        """Where windows really begin, and how many of the lookback's steps they have."""
        origin = begin + self.window.lookback
        first = self.panel.offsets[np.searchsorted(self.panel.offsets, origin - 1, side="right") - 1]
        base = np.maximum(begin, first)
        return base, origin - base


def known_at(panel: Panel, last: Indices, columns: Indices) -> tuple[Indices, Rows]:
    """What was known of targets and past covariates when the rows ``last`` were the newest.

    A gap that reaches beyond them may be filled by what came later.

    Args:
        panel: one with hidden masks.
        last: (windows,).
        columns: (windows or 1, columns) which have masks.

    Returns:
        The rows of the last known values, or ``last`` where there is none, and these values; both
        (windows, columns).
    """
    masks = panel.rows[last[:, None], columns + len(panel.columns) - panel.masks]
    known = last[:, None] - np.maximum(masks, 0).astype(np.int64)
    return known, panel.rows[known, columns]
