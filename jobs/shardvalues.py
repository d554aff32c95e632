"""The columns of one shard as the values of a panel, and precisely which of them cannot be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from jobs.clock import in_years
from jobs.errors import JobError, reason
from jobs.panel import Indices
from jobs.staticvalues import Static


def numeric(found: pa.DataType) -> bool:
    """Whether a network can read such a column, be it as a dictionary."""
    kinds = pa.types
    found = found.value_type if kinds.is_dictionary(found) else found
    return bool(
        kinds.is_integer(found)
        or kinds.is_floating(found)
        or kinds.is_decimal(found)
        or kinds.is_boolean(found)
    )


def text(found: pa.DataType) -> bool:
    """Whether a column holds texts, be it as a dictionary."""
    kinds = pa.types
    found = found.value_type if kinds.is_dictionary(found) else found
    return bool(kinds.is_string(found) or kinds.is_large_string(found))


def read_values(shard: str, name: str, column: pa.Array, *, missing: bool = False) -> Any:
    """A numeric column as finite float32; where values may be ``missing``, NaN stands for them.

    Raises:
        JobError: a value is infinite or too large, or missing and may not be.
    """
    values = numbers(shard, name, column)
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32, copy=False)
    bad = np.isinf(narrow) if missing else ~np.isfinite(narrow)
    if not bad.any():
        return narrow
    rows = np.flatnonzero(bad)
    what = "infinite or too large values" if missing else "missing, NaN or infinite values"
    way = "" if np.isinf(narrow[rows]).any() else ", or let data.missing say how they are filled"
    raise JobError(
        f"shard {shard}: column {name!r} has {len(rows)} {what}, "
        f"the first in row {rows[0]} ({values[rows[0]]}); fill or drop them{way}"
    )


def numbers(shard: str, name: str, column: pa.Array) -> Any:
    """A numeric column as an array of floats, NaN where there is none.

    Raises:
        JobError: it is a dictionary that is damaged.
    """
    if pa.types.is_dictionary(column.type):
        check_dictionary(shard, name, column)
        column = column.dictionary_decode()
    if not pa.types.is_floating(column.type):
        column = column.cast(pa.float64(), safe=False)
    return column.to_numpy(zero_copy_only=False)


def read_static(shard: str, name: str, column: pa.Array) -> Static:
    """A static column, numeric or of texts, with a value in each row.

    Raises:
        JobError: a value is missing, or infinite.
    """
    if not text(column.type):
        values = numbers(shard, name, column).astype(np.float64)
        with np.errstate(over="ignore"):
            bad = np.flatnonzero(~np.isfinite(values.astype(np.float32)))
    else:
        check_dictionary(shard, name, column)
        coded = column.dictionary_encode()
        values = coded.indices.cast(pa.float64()).to_numpy(zero_copy_only=False)
        bad = np.flatnonzero(np.isnan(values))
    if len(bad):
        raise JobError(
            f"shard {shard}: static column {name!r} has {len(bad)} rows without a finite value, the first is "
            f"row {bad[0]}; fill them, or leave the column out of data.static"
        )
    return Static(values) if not text(column.type) else _used(values, coded.dictionary)


def _used(codes: Any, dictionary: pa.Array) -> Static:
    """Only those texts that a row has: a file's dictionary may hold more, and one twice."""
    used, codes = np.unique(codes.astype(np.int64), return_inverse=True)
    texts = dictionary.take(pa.array(used)).to_pylist()
    ranks = {one: rank for rank, one in enumerate(dict.fromkeys(texts))}
    return Static(np.array([ranks[one] for one in texts], np.float64)[codes], tuple(ranks))


def check_dictionary(shard: str, name: str, column: Any) -> None:
    """See that texts are texts, and that a dictionary has what its indices name, which Arrow does not.

    Raises:
        JobError: the column is damaged.
    """
    try:
        column.validate(full=True)
    except pa.ArrowInvalid as error:
        raise JobError(
            f"shard {shard}: column {name!r} is damaged ({reason(error)}); write it again or take it away"
        ) from None


def read_ids(shard: str, ids: Any, name: str) -> pa.Array:
    """A column of series ids as int64, string or a dictionary of strings.

    Raises:
        JobError: it is of another type, or an id is missing.
    """
    kinds = pa.types
    check_dictionary(shard, name, ids)
    if kinds.is_dictionary(ids.type) and not kinds.is_string(ids.type.value_type):
        ids = ids.dictionary_decode()
    kind = ids.type.value_type if kinds.is_dictionary(ids.type) else ids.type
    if not (kinds.is_integer(kind) or kinds.is_string(kind) or kinds.is_large_string(kind)):
        raise JobError(f"shard {shard}: column {name!r} is {kind}; a series id is a string or an integer")
    if ids.null_count:
        raise JobError(f"shard {shard}: column {name!r} has {ids.null_count} rows without a series id")
    if kinds.is_integer(kind):
        return _whole(shard, ids, name)
    return ids.cast(pa.string()) if kinds.is_large_string(kind) else ids


def _whole(shard: str, column: Any, name: str) -> Any:
    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid:
        raise JobError(f"shard {shard}: column {name!r} has whole numbers of {2**63} and above") from None


def read_times(shard: str, column: pa.Array, name: str) -> Indices:
    """A time column as nanoseconds since 1970 in UTC, or as the whole numbers it holds.

    Raises:
        JobError: it is of another type, or a time is missing or cannot be read.
    """
    if column.null_count:
        raise JobError(f"shard {shard}: column {name!r} has {column.null_count} rows without a time")
    kind = column.type
    if pa.types.is_integer(kind):
        return np.asarray(_whole(shard, column, name).to_numpy(), np.int64)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        try:
            stamps = column.cast(pa.timestamp("ns", getattr(kind, "tz", None)))
        except pa.ArrowInvalid:
            raise _out_of_years(shard, name) from None
        times = np.asarray(stamps.cast(pa.int64()).to_numpy(), np.int64)
        if not in_years(times):
            raise _out_of_years(shard, name)
        return times
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _parsed_times(shard, column, name)
    raise JobError(f"shard {shard}: column {name!r} is {kind}; a time is a timestamp, a date or an integer")


def _parsed_times(shard: str, column: pa.Array, name: str) -> Indices:
    text = column.to_pandas()
    stamps = pd.to_datetime(text, format="ISO8601", errors="coerce", utc=True)
    bad = np.flatnonzero(stamps.isna())
    if len(bad):
        raise JobError(
            f"shard {shard}: column {name!r}: {len(bad)} timestamps cannot be read, the first in "
            f"row {bad[0]} ({text.iloc[bad[0]]!r}); write them as 2024-01-31 14:00:00"
        )
    try:
        return np.asarray(stamps.dt.as_unit("ns").astype("int64"), np.int64)
    except pd.errors.OutOfBoundsDatetime:
        raise _out_of_years(shard, name) from None


def zones(column: pa.Array) -> set[bool]:
    """Whether times that are written out name a time zone: some do, some do not; nothing for other types."""
    if not text(column.type):
        return set()
    named = pc.match_substring_regex(column, r"(Z|[+-]\d{2}:?\d{2})\s*$", ignore_case=True)
    return set(pc.unique(named).to_pylist())


def _out_of_years(shard: str, name: str) -> JobError:
    return JobError(f"shard {shard}: column {name!r} has times outside the years 1678 to 2261")


def read_time_type(kind: pa.DataType) -> str:
    """What a panel calls the times of such a column."""
    if pa.types.is_integer(kind):
        return "int64"
    return f"timestamp[ns, tz={kind.tz}]" if getattr(kind, "tz", None) else "timestamp[ns]"
