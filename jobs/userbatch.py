"""Windows as a user's network is given them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.engine.window import NORMALISE, Level, Window, normalised
from jobs.errors import JobError
from jobs.material import Material


@dataclass(frozen=True)
class Batch:
    """Windows, scaled.

    Attributes:
        x: (windows, lookback, columns), on their own level.
        y: (windows, horizon, targets).
        there: 1 where a target was not missing, as ``y``; None: all.
        level: where each window lies; None: where all do.
    """

    x: Any
    y: Any
    there: Any
    level: Level | None

    @classmethod
    def cut(cls, material: Material, scale: str, starts: Any) -> Batch:
        """The windows that ``starts`` stand for; ``scale`` is ``window.scale``."""
        found = material.feed.gather(starts, batch=len(starts), capacity=1)
        x, level = found["x"][0], None
        kind = NORMALISE.get(scale, "none")
        if kind != "none":
            x, level = normalised(Window(x), kind, material.feed.cutter.known.start)
        return cls(np.asarray(x), found["y"][0], found["there"][0] if "there" in found else None, level)

    def whole(self) -> Batch:
        """Those windows of which every target is there, for what cannot be told that some are not.

        Raises:
            JobError: there is none.
        """
        if self.there is None:
            return self
        some = self.there.all(axis=(1, 2))
        if not some.any():
            raise JobError(
                "data.missing: every window has a filled target, and what model.build names cannot leave "
                "single values out; fill fewer (data.missing_limit), or shorten window.horizon"
            )
        level = self.level
        if level is not None:
            centre, spread = level.centre, level.spread
            level = Level(np.asarray(centre)[some], None if spread is None else np.asarray(spread)[some])
        return Batch(self.x[some], self.y[some], None, level)

    def given(self, shape: tuple[int, ...]) -> tuple[Any, Any, Any]:
        """What a network is given whose forecasts have this shape, and what each counts; None: the same."""
        y, counts = self.y, None
        if self.level is not None:
            centre, spread = self.level.centre, self.level.spread
            y = y - np.asarray(centre)[:, :, : y.shape[2]]
            y = y if spread is None else y / np.asarray(spread)[:, :, : y.shape[2]]
        if self.there is not None:
            counts = self.there.reshape(-1, *shape).mean(axis=-1)
        return self.x, y.reshape(-1, *shape), counts

    def errors(self, forecast: Any) -> tuple[float, float, float]:
        """Sums of squares and of absolute values, and how many values there are."""
        forecast = np.asarray(forecast, np.float32).reshape(self.y.shape)
        if self.level is not None:
            forecast = np.asarray(self.level.back(forecast))
        error = (forecast - self.y).astype(np.float64)
        share = np.ones_like(error) if self.there is None else self.there
        return float((error**2 * share).sum()), float((abs(error) * share).sum()), float(share.sum())
