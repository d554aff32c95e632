"""Whether a panel's times are a grid with gaps, and which."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from jobs.clock import DAY, zone_of
from jobs.grid import Calendar, Even, Grid
from jobs.gridding import Plan
from jobs.npyfile import blocks
from jobs.panel import Panel
from jobs.spacing import MONTH, neighbours, on_business_days

_MEAN_MONTH = 30.44 * DAY


def inferred(panel: Panel) -> Plan | None:
    """The grid on which all rows lie, each series with steps of the most common distance.

    Where more than half of the distances are longer than that, times are taken to follow no grid: of any
    whole seconds, say, all are some seconds apart.  Days are those of the clocks in the series' zone; where
    no row is on a weekend they are business days.  Months may begin on any day that all of them have, or end
    with their last.  Rows stay where they are.

    Returns:
        None if there is no such grid.
    """
    if 2 * panel.gaps() > len(panel.times) - len(panel.series):
        return None
    plans = (Plan(grid, moved=False, every=every) for grid, every in _candidates(panel))
    return next((plan for plan in plans if _fits(plan, panel)), None)


def _candidates(panel: Panel) -> Iterator[tuple[Grid, int]]:
    step, zone = panel.step(), zone_of(panel.time_type)
    if panel.time_type == "int64":
        yield Even(step), 1
        return
    if step >= MONTH:
        every = max(1, round(step / _MEAN_MONTH))
        yield Calendar("MS", zone), every
        yield Calendar("ME", zone), every
    if on_business_days(panel.times, step, panel.time_type):
        yield Calendar("B", zone), 1
    if step % DAY == 0:
        yield Even(step, zone), 1
    yield Even(step), 1


def _fits(plan: Plan, panel: Panel) -> bool:
    """Whether all rows of a series are as long after the beginnings of their steps, and the steps fit."""
    pairs = zip(blocks(panel.times, overlap=1), neighbours(panel.times, panel.offsets), strict=True)
    for block, (_, _, within) in pairs:
        steps, after = plan.grid.split(block)
        apart = np.diff(steps).view(np.uint64)[within]
        if np.diff(after)[within].any() or (apart % plan.every).any() or (apart == 0).any():
            return False
    return True
