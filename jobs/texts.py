"""What a text in a file means: a number, a time, an id, or that a value is missing."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

MISSING = pa.array(["", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "-nan", "<NA>", "NULL", "null", "None"])
EMPTY = pa.array([""])
LOCAL, ZONED, WHOLE = pa.timestamp("ns"), pa.timestamp("ns", "UTC"), pa.int64()
DATES = (LOCAL, ZONED)


def without(values: pa.Array, missing: pa.Array) -> pa.Array:
    """The values with null in the place of those that stand for a missing one."""
    return pc.if_else(pc.is_in(values, missing), pa.scalar(None, pa.string()), values)


def stripped(values: pa.Array) -> pa.Array:
    """Texts without the blanks around them; anything else as it is."""
    return pc.utf8_trim_whitespace(values) if pa.types.is_string(values.type) else values


def converted(values: pa.Array, kind: pa.DataType) -> pa.Array | None:
    """The values as ``kind``, or None if one of them cannot be; 007 is no whole number but a text."""
    if values.type == kind:
        return values
    try:
        column = pc.cast(values, kind, safe=kind != pa.float64())  # to which 2**53 + 1 may be rounded
    except pa.ArrowInvalid:
        return None
    if pa.types.is_string(values.type) and kind == WHOLE:
        same = pc.all(pc.equal(pc.cast(column, pa.string()), values), min_count=0).as_py()
        return column if same else None
    return column


def first_unfit(values: pa.Array, kind: pa.DataType) -> int:
    """Where the first value stands that cannot be converted, by bisection: one of them cannot."""
    fits, high = 0, len(values)
    while high - fits > 1:
        middle = (fits + high) // 2
        if converted(values[fits:middle], kind) is None:
            high = middle
        else:
            fits = middle
    return fits


def ids_of(names: Sequence[str]) -> pa.Array:
    """Names as series ids: int64 if all of them are whole numbers, as the ids of a column are."""
    texts = pa.array(names, pa.string())
    whole = converted(texts, WHOLE)
    return texts if whole is None else whole


def numbers_of(texts: pa.Array) -> pa.Array | int:
    """Texts as float64, missing ones null; or where the first of them stands that is no number."""
    values = without(stripped(texts), MISSING)
    numbers = converted(values, pa.float64())
    return first_unfit(values, pa.float64()) if numbers is None else numbers
