"""What becomes of a panel once its rows are in order: a grid, filled values, the calendar, masks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from jobs.clock import zone_of
from jobs.errors import JobError
from jobs.filling import Filling
from jobs.frequencies import check_spacing
from jobs.grid import grid_of
from jobs.gridding import Plan, Survey, regrid, survey
from jobs.naming import when, whose
from jobs.npyfile import NpyFile, blocks
from jobs.panel import Panel, Rows, map_arrays
from jobs.regular import inferred
from jobs.source import Columns
from jobs.spacing import Spacing, on_business_days
from jobs.timefeatures import features, names

_GROWTH, _MANY = 100, 10_000_000  # a grid of more rows than both allow is a mistake


def complete(panel: Panel, columns: Columns, path: str, folder: Path) -> Panel:
    """A panel of numeric columns alone as one that has all that its ``columns`` ask for, in its folder.

    Its files are written anew, a block at a time, only where something changes.

    Raises:
        JobError: names series and time of what the grid or the missing values do not allow.
        OSError: there is no room.
    """
    panel = _on_grid(panel, columns, path, folder)
    gone = columns.missing != "error" and any(np.isnan(block).any() for block in blocks(panel.rows))
    panel = _named(panel, columns, path, hidden=gone and columns.missing != "mask")
    if not (gone or panel.calendar or panel.masks):
        return panel
    past = len(columns.target) + len(columns.past)
    filling = Filling(panel, path, columns.missing, columns.missing_limit, past) if gone else None
    counts = np.zeros(len(columns.numbers), np.int64)
    with closing(NpyFile(folder / "complete.npy", np.float32, len(panel.columns))) as rows:
        for block, away in _widened(panel, filling, past):
            counts += np.count_nonzero(away, axis=0)
            rows.append(block)
    (folder / "complete.npy").rename(folder / "rows.npy")
    filled = tuple((name, int(count)) for name, count in zip(columns.numbers, counts, strict=True) if count)
    return replace(panel, filled=filled, **map_arrays(folder))


def _named(panel: Panel, columns: Columns, path: str, *, hidden: bool) -> Panel:
    """The panel with the names of all columns that it will have, masks that are ``hidden`` among them."""
    calendar = names(panel.step()) if columns.calendar else ()
    if columns.calendar and not calendar:
        raise JobError(
            f"{path}: data.future has the calendar, but steps of {panel.frequency()} go through no cycle of "
            "it; take it out"
        )
    masked = (*columns.target, *columns.past) if hidden or columns.missing == "mask" else ()
    masks = tuple(f"{name}.missing" for name in masked)
    for name in {*calendar, *(() if hidden else masks)} & {*columns.numbers}:
        raise JobError(f"{path}: a column {name!r} is made of the others; rename the one that the data has")
    panel = replace(panel, columns=(*columns.numbers, *calendar, *masks))
    panel = replace(panel, masks=len(masks), hidden=hidden)
    return replace(panel, known=len(columns.future) + len(calendar), calendar=len(calendar))


def _widened(panel: Panel, filling: Filling | None, past: int) -> Iterator[tuple[Rows, Rows]]:
    """The rows in blocks with the features of the calendar and the masks; and where values come from."""
    zone, step, begin = zone_of(panel.time_type), panel.step(), 0
    whole = ((block, np.zeros_like(block)) for block in blocks(panel.rows))
    for block, away in filling.blocks() if filling else whole:
        parts = [block]
        if panel.calendar:
            parts.append(features(panel.times[begin : begin + len(block)], zone, step))
        if panel.masks:
            masks = away[:, :past]
            parts.append(masks if panel.hidden else (masks != 0).astype(np.float32))
        yield np.concatenate(parts, axis=1), away
        begin += len(block)


def _on_grid(panel: Panel, columns: Columns, path: str, folder: Path) -> Panel:
    """The panel with a row for each step of the grid that is asked for, or on which its rows lie."""
    if columns.frequency is not None:
        plan = Plan(grid_of(columns.frequency, zone_of(panel.time_type)), moved=True)
        found = _surveyed(plan, panel, columns, path)
        panel = _brought(panel, plan, found, folder)
        return replace(panel, spacing=_regular(panel, plan.grid.step, found.gaps), grid=columns.frequency)
    panel = replace(panel, spacing=Spacing.of(panel.times, panel.offsets, panel.time_type))
    if columns.missing == "error":
        return panel
    check_spacing(panel, path)
    lying = inferred(panel) if panel.gaps() else None
    if lying is None:
        return panel
    step, gaps = panel.step(), panel.gaps()
    panel = _brought(panel, lying, _surveyed(lying, panel, columns, path), folder)
    return replace(panel, spacing=_regular(panel, step, gaps))


def _regular(panel: Panel, step: int, gaps: int) -> Spacing:
    return Spacing(step, gaps, business=on_business_days(panel.times, step, panel.time_type))


def _brought(panel: Panel, plan: Plan, found: Survey, folder: Path) -> Panel:
    """The panel with other files, where the grid changes anything."""
    if found.ready:
        return panel
    new = folder / "grid"
    new.mkdir()
    offsets = regrid(plan, panel, new)
    for name in ("rows.npy", "times.npy"):
        (new / name).replace(folder / name)
    new.rmdir()
    np.save(folder / "offsets.npy", offsets)
    return replace(panel, **map_arrays(folder))


def _surveyed(plan: Plan, panel: Panel, columns: Columns, path: str) -> Survey:
    """What the plan makes of the panel; there may be gaps, and filling them is no mistake."""
    found = survey(plan, panel.times, panel.offsets)
    if found.missing and columns.missing == "error":
        raise JobError(
            f"{path}: at a data.frequency of {columns.frequency}, {found.missing:.0f} steps have no row, in "
            f"{found.gaps} gaps, the first in {whose(panel, found.first)} after {when(panel, found.first)}; "
            "write data.missing (interpolate, forward or mask) to fill them"
        )
    if found.rows > max(_MANY, _GROWTH * len(panel.times)):
        raise JobError(
            f"{path}: with a row for every step the {len(panel.times)} rows would be {found.rows:.3g}; the "
            f"widest gap is in {whose(panel, found.widest)} after {when(panel, found.widest)}; see that its "
            "times are right, or write a longer data.frequency"
        )
    return found
