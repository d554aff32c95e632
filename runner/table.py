"""The trials of a sweep as a table."""

from __future__ import annotations

import io
from typing import Any

from runner.results import Results


def trials_parquet(results: Results) -> bytes:
    """The table of trials, a column ``hp.<name>`` for every searched hyperparameter, of the best epoch."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    trials = sorted(results.trials.values(), key=lambda trial: trial.number)
    epochs = pa.int64() if results.fidelity.per_pass == 1 else pa.float64()
    columns: dict[str, Any] = {
        "id": pa.array([t.id for t in trials], pa.string()),
        "state": pa.array([t.state for t in trials], pa.string()),
        "rung": pa.array([t.passes(t.rung) for t in trials], epochs),
        "score": pa.array([t.score for t in trials], pa.float64()),
        "spread": pa.array([t.spread for t in trials], pa.float64()),
        "epoch": pa.array([t.passes(t.epoch) for t in trials], epochs),
        "epochs_trained": pa.array([t.passes(t.epochs_trained) for t in trials], epochs),
        "seconds": pa.array([t.seconds for t in trials], pa.float64()),
    }
    values = [trial.best_values for trial in trials]
    for name in dict.fromkeys(name for each in values for name in each):
        columns[f"hp.{name}"] = _column([each.get(name) for each in values])
    columns["diagnosis"] = pa.array([t.diagnosis for t in trials], pa.string())
    columns["error"] = pa.array([t.error for t in trials], pa.string())
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def _column(values: list[Any]) -> Any:
    """An Arrow array of one type; choices of mixed types are written as text."""
    import pyarrow as pa

    kinds = {type(value) for value in values if value is not None}
    if len(kinds) > 1 and not kinds <= {int, float}:
        values = [None if value is None else str(value) for value in values]
    return pa.array(values)
