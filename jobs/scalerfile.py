"""Scaling that differs by series, as ``best/scaler.parquet`` holds it: a row a series and column."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.errors import JobError, reason
from jobs.panel import Indices, Panel
from jobs.parts import Parts
from jobs.scaling import Scaler, Scaling, fit_scaler
from jobs.transform import Powers


def scaler_bytes(panel: Panel, scaler: Scaler) -> bytes:
    """Columns ``series``, ``column``, ``centre`` and ``spread``, the columns in the order of the panel's."""
    names = panel.inputs
    series = pa.array(list(panel.series)).take(np.repeat(np.arange(len(panel.series)), len(names)))
    columns = pa.array(names).take(np.tile(np.arange(len(names)), len(panel.series)))
    arrays = [series, columns, pa.array(scaler.centre.ravel()), pa.array(scaler.spread.ravel())]
    stream = io.BytesIO()
    pq.write_table(pa.table(arrays, names=["series", "column", "centre", "spread"]), stream)
    return stream.getvalue()


def read_scaler(data: bytes, panel: Panel, how: Scaling, powers: Powers | None) -> tuple[Scaler, Indices]:
    """The scaling of the panel's series, and the numbers of those that the file does not know.

    These are scaled by all the history that the panel has of them, after the ``powers`` of the model.

    Raises:
        JobError: the bytes are no such file, or one for other columns.
    """
    try:
        table = pq.read_table(io.BytesIO(data))
        names = table.column("column").to_pylist()
        ids = table.column("series").to_pylist()
        values = [table.column(name).to_numpy() for name in ("centre", "spread")]
    except (pa.ArrowException, OSError, KeyError) as error:
        raise JobError(f"scaler.parquet cannot be read ({reason(error)})") from None
    width = len(panel.inputs)
    if tuple(names[:width]) != panel.inputs or len(names) % width:
        raise JobError("scaler.parquet is of other columns than the model's; run the sweep again")
    known = {name: row for row, name in enumerate(ids[::width])}
    rows = np.array([known.get(name, -1) for name in panel.series])
    new = np.flatnonzero(rows < 0)
    found = [each.reshape(-1, width)[rows] for each in values]
    if len(new):
        ends = panel.offsets[1:]
        own = fit_scaler(panel, Parts(panel.offsets[:-1], ends, ends, ends, ends, ends), how, powers)
        columns = width - len(
            panel.statics
        )  # static features are scaled alike for all series, as in training
        for each, fitted, all_ in zip(found, (own.centre, own.spread), values, strict=True):
            each[new, :columns] = fitted[new, :columns]
            each[new, columns:] = all_[columns:width]
    return Scaler(*found), new
