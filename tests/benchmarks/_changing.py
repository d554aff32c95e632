"""An hourly panel that grows by a day a night, and may change its ways on one of them.

Hour ``t`` of a series is

    target[t] = level + day·sin(2πt/24 + φ) + 0.6·driver[t - LEAD] + e[t]

where ``driver`` and ``e`` are autoregressions of order 1, of coefficients 0.9 and 0.8 and of variances 1 and
0.25, and level, day and φ are drawn once a series.  From the change on the season is a quarter of a day later
and the driver works the other way round.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

DAY, SERIES = 24, 4  # hours; series
LEAD = 6  # hours by which the driver is ahead of the target
WINDOW = 24  # days that a night looks back
TEST, VALIDATION = 7 * DAY, 3 * DAY  # hours
_WEIGHT, _SHIFT = 0.6, np.pi / 2
_SHARD = 20 * DAY  # hours, so that a night need not read the future
_START = np.datetime64("2025-01-01T00", "ns")

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Changing:
    """The panel of some nights, of which the first is number 1, and of a future that none of them sees.

    Attributes:
        nights: how many.
        change: the night that is the first to see a day of the new ways; None: there is none.
        future: hours after the last night.
        seed: of everything random.
    """

    nights: int
    change: int | None = None
    future: int = 0
    seed: int = 0

    def end(self, night: int) -> int:
        """The hour before which the data of a night end."""
        return (WINDOW + night - 1) * DAY

    def moment(self, hour: int) -> str:
        """An hour as the shards have it."""
        return str((_START + np.timedelta64(hour, "h")).astype("datetime64[s]"))

    def where(self, night: int) -> str:
        """``data.where`` of a night."""
        end = self.end(night)
        begin, end = self.moment(end - WINDOW * DAY), self.moment(end)
        return f'[[time, ">=", "{begin}"], [time, "<", "{end}"]]'

    def write(self, folder: Path) -> Path:
        """Write the shards."""
        folder.mkdir()
        length = self.end(self.nights) + self.future
        drawn = [self._series(index, length) for index in range(SERIES)]
        for number, begin in enumerate(range(0, length, _SHARD)):
            hours = np.arange(begin, min(begin + _SHARD, length))
            table = pa.table(
                {
                    "time": np.tile(_START + hours * np.timedelta64(1, "h"), SERIES),
                    "series": np.repeat([f"s{index}" for index in range(SERIES)], len(hours)),
                    "target": np.concatenate([target[hours] for target, _ in drawn]),
                    "driver": np.concatenate([driver[hours] for _, driver in drawn]),
                }
            )
            pq.write_table(table, folder / f"part-{number:05d}.parquet")
        return folder

    def _series(self, index: int, length: int) -> tuple[FloatArray, FloatArray]:
        rng, hours = np.random.default_rng([self.seed, index]), np.arange(length)
        level, day, phase = rng.normal(10, 1), rng.uniform(0.5, 1.5), rng.uniform(0, 2 * np.pi)
        driver = _autoregression(rng, 0.9, 1.0, length + LEAD)
        noise = _autoregression(rng, 0.8, 0.5, length)
        changed = hours >= (self.end(self.change) - DAY if self.change else length)
        wave = day * np.sin(2 * np.pi * hours / DAY + phase - _SHIFT * changed)
        target = level + wave + np.where(changed, -_WEIGHT, _WEIGHT) * driver[:length] + noise
        return target, driver[LEAD:]


def _autoregression(rng: np.random.Generator, kept: float, deviation: float, length: int) -> FloatArray:
    """Stationary from its first value on."""
    from scipy.signal import lfilter

    shocks = rng.normal(0, deviation * np.sqrt(1 - kept**2), length)
    shocks[0] = rng.normal(0, deviation)
    return np.asarray(lfilter([1.0], [1.0, -kept], shocks))
