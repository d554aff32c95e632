"""``recur predict``: new shards in, forecasts out, from a sweep's published best."""

from __future__ import annotations

import json
import os
from typing import Any

import click

from cluster.files import open_filesystem
from jobs.dataspec import Data
from jobs.errors import JobError
from runner.launch import find_sweep, read_spec
from runner.publish import read_best
from runner.quiet import start_keras
from runner.show import print_json


def predict_command(*, sweep: str, storage: str | None, source: str, out: str, as_json: bool) -> None:
    """Carry out ``recur predict``.

    Raises:
        ClusterError: there is no such sweep, or its best is not whole.
        JobError: the data does not fit the model, or ``out`` cannot be written.
    """
    folder = find_sweep(sweep, storage)
    job = read_spec(folder)
    signature = json.loads(read_best(folder, "signature.json"))
    model = read_best(folder, "model.keras")
    if not out.partition("?")[0].endswith(".parquet"):
        raise JobError(f"--out {out}: forecasts are written as a .parquet file")
    start_keras(job.backend)
    table, series = _forecast(model, signature, job.data, source)
    _write(table, out)
    if as_json:
        print_json({"sweep": folder.name, "out": out, "series": series, "rows": table.num_rows})
    else:
        horizon = signature["outputs"][0]["shape"][1]
        click.echo(f"{table.num_rows} rows, {horizon} steps ahead of {series} series, written to {out}")


def _forecast(model_data: bytes, signature: dict[str, Any], data: Data, source: str) -> tuple[Any, int]:
    import pyarrow as pa

    from jobs.checkpoint import load_model
    from jobs.forecast import check_history, forecast_panel
    from jobs.source import Columns
    from runner.data import open_panel

    inputs, outputs = signature["inputs"][0], signature["outputs"][0]
    targets = tuple(outputs["columns"])
    past = tuple(inputs["columns"][len(targets) :])
    where = tuple(each for each in data.where if each[0] != data.time)  # what is forecast from is newer
    columns = Columns(signature["time"], signature["series"], targets, past, where)
    panel = open_panel(source, columns)
    if panel.frequency() != signature["frequency"]:
        raise JobError(
            f"--data {source}: its times are {panel.frequency()} apart, the model's "
            f"{signature['frequency']}; bring the data to the model's frequency (one row has none)"
        )
    check_history(panel, inputs["shape"][1], data.short)
    frame = forecast_panel(
        load_model(model_data),
        panel,
        lookback=inputs["shape"][1],
        horizon=outputs["shape"][1],
        time=signature["time"],
        series=signature["series"],
    )
    return pa.Table.from_pandas(frame, preserve_index=False), len(frame) // outputs["shape"][1]


def _write(table: Any, out: str) -> None:
    """Write next to the target and move, so that nobody reads half a file."""
    import pyarrow.parquet as pq

    filesystem, path = open_filesystem(out)
    partial = f"{path}.partial"
    try:
        with filesystem.open_output_stream(partial) as stream:
            pq.write_table(table, stream)
        filesystem.move(partial, path)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error).splitlines()[0]
        raise JobError(f"--out {out}: cannot be written ({reason})") from None
