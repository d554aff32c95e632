"""What the columns of shards are, where nobody says it."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow import fs as pafs

from jobs.errors import JobError
from jobs.listing import find_shards
from jobs.shardfile import whole_file
from jobs.shardvalues import numeric, text
from jobs.source import Columns

_TIMES, _IDS = ("time", "date", "timestamp", "datetime", "ds"), ("series", "id", "unique_id", "item_id")


def guess_columns(filesystem: pafs.FileSystem, path: str, time: str | None, series: str | None) -> Columns:
    """All numeric columns of the first shard that can be opened, as targets; and which are time and series.

    The time is the first column of timestamps or dates, else one that is named like it; the series' ids are
    the first column of texts, else one that is named like them.

    Raises:
        JobError: nothing is there, or there is no such column.
    """
    schema = _first_schema(filesystem, path)
    kinds = pa.types
    stamped = (f.name for f in schema if kinds.is_timestamp(f.type) or kinds.is_date(f.type))
    found = time or next(stamped, None) or next((f.name for f in schema if f.name.lower() in _TIMES), None)
    if found is None or found not in schema.names:
        what = "no column looks like a time" if found is None else f"no column {found!r}"
        raise JobError(f"{path}: {what}; it has {', '.join(schema.names)}; name one with --time")
    texts = (f.name for f in schema if f.name != found and text(f.type))
    ids = series or next(texts, None) or next((f.name for f in schema if f.name.lower() in _IDS), None)
    if ids is not None and ids not in schema.names:
        raise JobError(f"{path}: no column {ids!r}; it has {', '.join(schema.names)}; name one with --series")
    others = (f for f in schema if f.name not in {found, ids} and not f.name.startswith("__index_level_"))
    numbers = tuple(f.name for f in others if numeric(f.type))
    if not numbers:
        raise JobError(f"{path}: no column of numbers; it has {', '.join(schema.names)}")
    return Columns(found, ids, numbers, ())


def _first_schema(filesystem: pafs.FileSystem, path: str) -> pa.Schema:
    trouble: JobError | None = None
    for shard in find_shards(filesystem, path).paths:
        try:
            with whole_file(filesystem, shard):
                return ds.ParquetFileFormat().make_fragment(shard, filesystem).physical_schema
        except JobError as error:
            trouble = trouble or error
    raise trouble or JobError(f"{path}: no shard")
