"""``recur predict``: new shards in, forecasts out, from a sweep's published best."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from cluster.files import open_filesystem
from cluster.storage import SweepFolder
from jobs.clock import check_clock
from jobs.dataspec import Data
from jobs.errors import JobError
from jobs.frequencies import check_spacing
from jobs.panel import Panel
from jobs.scaling import check_positive
from jobs.signature import Signature, categories_of, input_of, window_of
from jobs.source import Columns
from jobs.spec import Job
from runner.data import open_panel
from runner.launch import find_sweep, read_spec, warn
from runner.publish import model_files, read_best
from runner.quiet import start_keras
from runner.show import print_json

if TYPE_CHECKING:  # which needs Keras
    from jobs.forecast import Served


@dataclass(frozen=True)
class Best:
    """A sweep's published best, as it lies on storage."""

    signature: Signature
    model: bytes
    scaler: bytes | None

    @classmethod
    def read(cls, folder: SweepFolder, job: Job) -> Best:
        """Read it, checked against its manifest.

        Raises:
            ClusterError: nothing is published, or it is not whole.
        """
        signature = json.loads(read_best(folder, "signature.json"))
        by_series = input_of(signature, "centre") is not None
        scaler = read_best(folder, "scaler.parquet") if by_series else None
        return cls(signature, read_best(folder, model_files(job)[0]), scaler)

    def serve(self, panel: Panel) -> Served:
        """Load the model, for a panel of its columns.

        Raises:
            JobError: it cannot be loaded, or its scaling is of other columns.
        """
        from jobs.checkpoint import load_model
        from jobs.cut import Cutter
        from jobs.forecast import Served

        return Served(load_model(self.model), Cutter(panel, window_of(self.signature)), _scaler(self, panel))


def predict_command(
    *, sweep: str, storage: str | None, source: str, future: str | None, out: str, as_json: bool
) -> None:
    """Carry out ``recur predict``.

    Raises:
        ClusterError: there is no such sweep, or its best is not whole.
        JobError: the data does not fit the model, or ``out`` cannot be written.
    """
    folder = find_sweep(sweep, storage)
    job = read_spec(folder)
    best = Best.read(folder, job)
    if not out.partition("?")[0].endswith(".parquet"):
        raise JobError(f"--out {out}: forecasts are written as a .parquet file")
    start_keras(job.backend)
    table, series = _forecast(best, job.data, source, future)
    _write(table, out)
    if as_json:
        print_json({"sweep": folder.name, "out": out, "series": series, "rows": table.num_rows})
    else:
        horizon = window_of(best.signature).horizon
        click.echo(f"{table.num_rows} rows, {horizon} steps ahead of {series} series, written to {out}")


def _forecast(best: Best, data: Data, source: str, future: str | None) -> tuple[Any, int]:
    import pyarrow as pa

    from jobs.ahead import known_ahead
    from jobs.forecast import check_history, forecast_panel, origins

    window, columns = window_of(best.signature), _columns(best.signature, data)
    panel = open_panel(source, columns)
    _check_columns(source, panel, best.signature, columns)
    check_history(panel, window, data.short)
    given = _future(future, columns)
    if given is not None:
        strict = columns.frequency is not None
        check_clock(f"--future {future}", given.time_type, panel.time_type, "those of --data", strict=strict)
    ahead = known_ahead(panel, origins(panel, window), window.horizon, given)
    frame = forecast_panel(best.serve(panel), ahead, time=data.time, series=data.series)
    return pa.Table.from_pandas(frame, preserve_index=False), len(frame) // window.horizon


def _columns(signature: Signature, data: Data) -> Columns:
    """What the model reads, of rows that are newer than those that it was trained on."""
    columns = Columns.of(data)
    where = tuple(each for each in columns.where if each[0] != data.time)
    return replace(columns, where=where, categories=categories_of(signature, data.static))


def _check_columns(source: str, panel: Panel, signature: Signature, columns: Columns) -> None:
    if columns.frequency is None:
        check_spacing(panel, source)
    check_clock(f"--data {source}", panel.time_type, signature["time_type"], "the model's", strict=True)
    if signature["powers"]:
        check_positive(panel, signature["scaling"]["transform"])
    if panel.frequency() != signature["frequency"]:
        raise JobError(
            f"--data {source}: its times are {panel.frequency()} apart, the model's "
            f"{signature['frequency']}; bring the data to the model's frequency (one row has none)"
        )
    if list(panel.inputs) != signature["inputs"][0]["columns"]:
        raise JobError(
            f"--data {source}: gives the columns {', '.join(panel.inputs)}, not those of the model"
        )


def _future(uri: str | None, columns: Columns) -> Panel | None:
    """The future covariates of the steps to forecast."""
    if not columns.future:
        if uri is not None:
            raise JobError(f"--future {uri}: the job has no future covariates; leave it out")
        return None
    names = ", ".join(columns.future)
    if uri is None:
        raise JobError(
            f"the model knows {names} ahead; give --future, shards with {', '.join(columns.keys)}, {names} "
            "for the steps after the end of the history"
        )
    asked = Columns(columns.time, columns.series, columns.future, (), frequency=columns.frequency)
    return open_panel(uri, asked)


def _scaler(best: Best, panel: Panel) -> Any:
    """What each series is scaled by, where the model leaves that to its caller."""
    if best.scaler is None:
        return None
    import numpy as np

    from jobs.scalerfile import read_scaler
    from jobs.scaling import Scaling
    from jobs.transform import Powers

    powers = best.signature["powers"] and Powers(*map(np.array, best.signature["powers"]))
    scaler, new = read_scaler(best.scaler, panel, Scaling(**best.signature["scaling"]), powers)
    if len(new):
        warn(f"{len(new):,} series are not among those of training; each is scaled by its own history")
    return scaler


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
