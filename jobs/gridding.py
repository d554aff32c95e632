"""Bringing a panel's rows to a grid: those of one step become one, and steps without any are counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from jobs.cells import Cells
from jobs.clock import Times
from jobs.grid import Grid
from jobs.npyfile import BLOCK, NpyFile, blocks, let_go
from jobs.panel import Panel, Rows
from jobs.spacing import neighbours


@dataclass(frozen=True)
class Plan:
    """How rows are brought to a grid.

    Attributes:
        grid: the steps.
        moved: whether rows go to the beginnings of their steps; else they stay where they are, and each step
            holds one at most.
        every: of how many steps of the grid each series has one.
    """

    grid: Grid
    moved: bool
    every: int = 1


@dataclass(frozen=True)
class Survey:
    """What a plan makes of a panel.

    Attributes:
        rows: how many rows it has then; a float, as times may be absurdly far apart.
        gaps: how often neighbouring rows have steps between them that no row falls into.
        missing: how many steps these are, likewise a float.
        first, widest: the rows after which the first and the widest gap are; -1 if there is none.
        ready: whether all rows are already where they belong, with none missing.
    """

    rows: float
    gaps: int
    missing: float
    first: int
    widest: int
    ready: bool


def survey(plan: Plan, times: Times, offsets: Times) -> Survey:
    """Look at all times, as a panel has them, without changing anything.

    Raises:
        JobError: a time lies where the grid has no steps.
    """
    gaps, missing, joined, first, widest, width, late = 0, 0.0, 0, -1, -1, 0.0, False
    begin = 0
    for block, (_, _, within) in zip(blocks(times, overlap=1), neighbours(times, offsets), strict=True):
        steps, after = plan.grid.split(block)
        late |= bool(plan.moved and after.any())
        apart = np.diff(steps).view(np.uint64)[within] / plan.every  # they rise, however far
        joined += int((apart == 0).sum())
        wide = apart > 1
        if wide.any():
            where = np.flatnonzero(within)
            first = begin + int(where[wide.argmax()]) if first < 0 else first
            if apart.max() > width:
                width, widest = float(apart.max()), begin + int(where[apart.argmax()])
            gaps += int(wide.sum())
            missing += float(apart[wide].sum() - wide.sum())
        begin += len(within)
    return Survey(len(times) - joined + missing, gaps, missing, first, widest, not (late or gaps or joined))


def regrid(plan: Plan, panel: Panel, folder: Path) -> Times:
    """Write ``rows.npy`` and ``times.npy`` as the plan has them, NaN in the rows of steps that had none.

    A block of rows is in memory at a time, and a block of what becomes of it.

    Returns:
        The offsets of the series then.

    Raises:
        OSError: there is no room for them.
    """
    lengths = np.zeros(len(panel.offsets) - 1, np.int64)
    with ExitStack() as stack:
        rows = stack.enter_context(NpyFile(folder / "rows.npy", np.float32, panel.rows.shape[1]))
        times = stack.enter_context(NpyFile(folder / "times.npy", np.int64))
        for cells in _with_next(plan, panel):
            following = _following(plan, cells)
            first = cells.series[0]
            counts = np.bincount(cells.series[: len(following)] - first, weights=1 + following)
            lengths[first : first + len(counts)] += counts.astype(np.int64)
            for values, when in _spread(plan, cells, following):
                rows.append(values)
                times.append(when)
    return np.concatenate([[0], np.cumsum(lengths)])


def _with_next(plan: Plan, panel: Panel) -> Iterator[Cells]:
    """All cells, a block at a time, with the first of the next block; at the end with the last again."""
    held = _cells(plan, panel, 0)
    for begin in range(BLOCK, len(panel.times), BLOCK):
        held = held.followed(_cells(plan, panel, begin))
        let_go(panel.rows)
        let_go(panel.times)
        if len(held) > 1:
            yield held
        held = held.take(slice(-1, None))  # more of its rows may come
    yield held.take([*range(len(held)), -1])


def _cells(plan: Plan, panel: Panel, begin: int) -> Cells:
    """Those of a block of rows, which begins there."""
    block = slice(begin, begin + BLOCK)
    times, values = panel.times[block], panel.rows[block]
    index = np.arange(begin, begin + len(times))
    series = np.searchsorted(panel.offsets, index, side="right") - 1
    steps, after = plan.grid.split(times)
    known = ~np.isnan(values)
    sums = np.where(known, values, 0.0)
    cells = Cells(series, steps, times, after, sums.astype(np.float64), known.astype(np.float64))
    if not plan.moved:
        return cells
    cells = cells.joined()
    return replace(cells, times=plan.grid.join(cells.steps), after=np.zeros_like(cells.after))


def _following(plan: Plan, cells: Cells) -> Times:
    """How many steps without a row follow each cell but the last, up to the next of its series."""
    between = np.diff(cells.steps) // plan.every - 1
    return np.where(np.diff(cells.series) == 0, np.maximum(between, 0), 0)


def _spread(plan: Plan, cells: Cells, following: Times) -> Iterator[tuple[Rows, Times]]:
    """The rows of all cells but the last and of the steps that follow them, a block at a time."""
    ends = np.cumsum(1 + following)
    values = cells.values()
    for begin in range(0, int(ends[-1]), BLOCK):
        index = np.arange(begin, min(begin + BLOCK, int(ends[-1])))
        owner = np.searchsorted(ends, index, side="right")
        past = index - (ends - 1 - following)[owner]
        rows, when = values[owner], cells.times[owner]
        empty = np.flatnonzero(past)
        if len(empty):
            rows[empty] = np.nan
            whose = owner[empty]
            when[empty] = plan.grid.join(cells.steps[whose] + past[empty] * plan.every, cells.after[whose])
        yield rows, when
