"""Which rows are read: ``data.where``, a list of conditions that must all hold, as a filter of Arrow's.

Values that move with the time, see ``moving``, are in a job as they were written, and in a filter what they
come to at the job's ``as_of``.
"""

from __future__ import annotations

import datetime as dt
import difflib
import math
import operator
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field

from jobs.errors import JobError
from jobs.moving import Instant, as_moving, moving, resolved

if TYPE_CHECKING:  # a fifth of a second, and most that read a job file read no rows
    import pyarrow as pa
    import pyarrow.compute as pc

_COMPARISONS = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MEMBERSHIPS = ("in", "not in")
_OPERATORS = (*_COMPARISONS, *_MEMBERSHIPS)

Value = str | int | float | bool
Condition = tuple[str, str, Value | tuple[Value, ...]]
Settled = Value | Instant
SettledCondition = tuple[str, str, Settled | tuple[Settled, ...]]


def _conditions(raw: Any) -> Any:
    if not isinstance(raw, list | tuple) or (raw and isinstance(raw[0], str)):
        raise ValueError(f"a list of conditions, such as [[store, in, [1, 2]]]; found {raw!r}")
    return raw


def _condition(raw: Any) -> Any:
    """A condition as YAML has it, with dates as text and lists as tuples."""
    if not (isinstance(raw, list | tuple) and len(raw) == 3 and isinstance(raw[0], str)):
        raise ValueError(
            f"a condition is [column, operator, value], such as [store, in, [1, 2]]; found {raw!r}"
        )
    column, sign, value = raw
    if sign not in _OPERATORS:
        raise ValueError(f"no operator {sign!r}; there are {', '.join(_OPERATORS)}")
    many = isinstance(value, list | tuple)
    if many != (sign in _MEMBERSHIPS):
        needs = "a list of values" if sign in _MEMBERSHIPS else "one value"
        raise ValueError(f"[{column}, {sign}, …] takes {needs}, found {value!r}")
    return (column, sign, tuple(_plain(each) for each in value) if many else _plain(value))


def _plain(value: Any) -> Any:
    value = as_moving(value)
    if isinstance(value, dt.date):
        return str(value)
    if not isinstance(value, str | int | float) or not math.isfinite(float(isinstance(value, str) or value)):
        raise ValueError(
            f"a column is compared with a number, a text, a date, true or false; found {value!r}"
        )
    return value


Where = Annotated[
    tuple[Annotated[Condition, BeforeValidator(_condition)], ...],
    Field(strict=False),
    BeforeValidator(_conditions),
]


def moves(where: Sequence[Condition]) -> bool:
    """Whether which rows fulfil the conditions depends on when they are read."""
    return any(map(moving, _values(where)))


def _values(where: Sequence[Condition]) -> Iterator[Value]:
    for _, _, value in where:
        yield from value if isinstance(value, tuple) else (value,)


def settled(where: Sequence[Condition], as_of: str | None) -> tuple[SettledCondition, ...]:
    """The conditions as they are at a moment.

    Raises:
        JobError: some move, and there is none; or they come to no time.
    """
    if as_of is None:
        still = next((value for value in _values(where) if moving(value)), None)
        if still is not None:
            raise JobError(f"data.as_of: is null, and data.where has {still}; write the moment that it is of")
        return tuple(where)

    def at(value: Value) -> Settled:
        return resolved(value, as_of) if isinstance(value, str) and moving(value) else value

    return tuple(
        (column, sign, tuple(map(at, value)) if isinstance(value, tuple) else at(value))
        for column, sign, value in where
    )


def row_filter(where: Sequence[SettledCondition], schema: pa.Schema, shard: str) -> pc.Expression | None:
    """All conditions as one expression over columns of ``schema``, which ``shard`` has; None without any.

    Raises:
        JobError: names the condition whose column is not there, or cannot be compared with its value.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    found = None
    for column, sign, value in where:
        if column not in schema.names:
            near = difflib.get_close_matches(column, schema.names, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise JobError(
                f"data.where: shard {shard} has no column {column!r}; it has {', '.join(schema.names)}{hint}"
            )
        kind = schema.field(column).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        given = value if isinstance(value, tuple) else (value,)
        if pa.types.is_integer(kind) and any(isinstance(each, float) for each in given):
            kind = pa.float64()
        values = [_scalar(column, each, kind) for each in given]
        one = _expression(pc.field(column), sign, values, kind)
        found = one if found is None else found & one
    return found


def _expression(field: pc.Expression, sign: str, values: list[Any], kind: pa.DataType) -> pc.Expression:
    import pyarrow as pa

    if sign in _COMPARISONS:
        result: pc.Expression = _COMPARISONS[sign](field, pa.scalar(values[0], kind))
        return result
    member = field.isin(pa.array(values, kind))
    return member if sign == "in" else ~member


def _scalar(column: str, value: Settled, kind: pa.DataType) -> Any:
    """The value as one of the column's kind."""
    import pandas as pd
    import pyarrow as pa

    try:
        if isinstance(value, Instant):
            return _moment(value, kind)
        if pa.types.is_timestamp(kind) and isinstance(value, str):
            stamp = pd.Timestamp(value)
            return stamp.tz_localize(kind.tz) if kind.tz and stamp.tzinfo is None else stamp
        if pa.types.is_date(kind) and isinstance(value, str):
            return pd.Timestamp(value).date()
        return pa.scalar(value, kind).as_py()
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        said = f"the moment {value.utc}" if isinstance(value, Instant) else repr(value)
        raise JobError(
            f"data.where: column {column!r} is {kind} and cannot be compared with {said}"
        ) from None


def _moment(value: Instant, kind: pa.DataType) -> Any:
    """An instant for a column; where that knows no zone, what the clocks of the instant's zone show."""
    import pandas as pd
    import pyarrow as pa

    if pa.types.is_date(kind):
        return pd.Timestamp(value.clock).date()
    if not pa.types.is_timestamp(kind):
        raise TypeError(kind)
    return pd.Timestamp(value.utc if kind.tz else value.clock)
