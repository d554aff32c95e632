"""How sentences about a panel call its series and times."""

from __future__ import annotations

import numpy as np
import pandas as pd

from jobs.clock import zone_of
from jobs.panel import Panel


def whose(panel: Panel, row: int) -> str:
    """The series of a row."""
    name = panel.series[int(np.searchsorted(panel.offsets, row, side="right")) - 1]
    return "the series" if name is None else f"series {name!r}"


def when(panel: Panel, row: int) -> str:
    """The time of a row as the data write it: in their zone, if they have one."""
    return shown(int(panel.times[row]), panel.time_type)


def shown(time: int, time_type: str) -> str:
    """A panel's time of that type, as the data write it."""
    if time_type == "int64":
        return str(time)
    zone = zone_of(time_type)
    stamp = pd.Timestamp(time)
    return str(stamp.tz_localize("UTC").tz_convert(zone) if zone else stamp)
