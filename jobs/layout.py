"""What an imported table looks like: its time, its series, each column's type; and blocks made so."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from jobs.errors import JobError
from jobs.origins import Block, Origin
from jobs.shardvalues import numeric
from jobs.texts import DATES, EMPTY, LOCAL, MISSING, WHOLE, ZONED, converted, first_unfit, stripped, without

_WRITTEN = {
    LOCAL: "a timestamp of the years 1678 to 2261 like 2024-01-31 14:00:00",
    ZONED: "a timestamp of the years 1678 to 2261 like 2024-01-31T14:00:00Z, as the first one is",
    WHOLE: "a whole number, as the first one is",
}


class TextError(Exception):
    """Columns taken for numbers hold something else; ``columns`` says what and where."""

    def __init__(self, columns: dict[str, str]) -> None:
        super().__init__()
        self.columns = columns


@dataclass(frozen=True)
class Layout:
    """Every column's type, in order, and which of them say what row it is."""

    schema: pa.Schema
    time: str
    series: str | None

    def with_text(self, columns: Collection[str]) -> Layout:
        """The same with these columns as strings."""
        fields = [
            pa.field(field.name, pa.string()) if field.name in columns else field for field in self.schema
        ]
        return replace(self, schema=pa.schema(fields))

    def table(self, block: Block, origin: Origin) -> pa.Table:
        """A block of rows of the layout's types.

        Raises:
            JobError: names the time or the series id that cannot be used, and its row.
            TextError: texts that were taken for numbers are none.
        """
        columns, text = [], {}
        for field in self.schema:
            name, values = field.name, block.values[field.name]
            if pa.types.is_string(values.type):
                values = self._meant(values, field, guess=origin.guess)
            column = converted(values, field.type)
            if column is None:
                bad = first_unfit(values, field.type)
                value, place = _shown(values[bad]), origin.place(block.row + bad)
                if name == self.time:
                    raise _bad_time(origin.file, name, place, value, field.type)
                text[name] = f"{value} in {place} of {origin.file}"
            elif name in (self.time, self.series) and (empty := _first_empty(column)) is not None:
                what = "time" if name == self.time else "series id"
                place = origin.place(block.row + empty)
                raise JobError(
                    f"{origin.file}: column {name!r}, {place}: no {what}; fill it in or drop the row"
                )
            columns.append(column)
        if text:
            raise TextError(text)
        return pa.Table.from_arrays(columns, schema=self.schema)

    def _meant(self, values: pa.Array, field: pa.Field, *, guess: bool) -> pa.Array:
        """The texts to convert: what stands for a missing value is null, but never in a time or series id."""
        if field.name == self.time or (field.name == self.series and guess):
            return stripped(values)
        if not guess:
            return values
        return without(values, EMPTY) if field.type == pa.string() else without(stripped(values), MISSING)


def find_layout(origins: Sequence[Origin], time: str | None, series: str | None) -> Layout:
    """The layout as far as the first block tells.

    Raises:
        JobError: a column that is named does not exist or cannot be what it is named for, no column can be
            the time, or there are no rows.
    """
    first = origins[0]
    _check_named(first, time, series)
    block = next((block for origin in origins for block in origin.blocks() if block.values.num_rows), None)
    if block is None:
        raise JobError(f"{first.file}: there are no rows in the files; give files that hold some")
    time = time or _likely_time(first, block, series)
    types = {
        name: pa.float64() if first.guess and kind == pa.string() else kind
        for name, kind in first.types.items()
    }
    types[time] = _time_type(first, time, block)
    if series is not None:
        types[series] = _series_type(first, series)
    return Layout(pa.schema(list(types.items())), time, series)


def _check_named(origin: Origin, time: str | None, series: str | None) -> None:
    for column in (time, series):
        if column is not None and column not in origin.types:
            raise JobError(f"{origin.file}: no column {column!r}; {_listed(origin)}")
    if series is not None and series == time:
        raise JobError(f"column {time!r} is named for the time and for the series; name two columns")


def _listed(origin: Origin) -> str:
    return f"it has {', '.join(origin.types)}"


def _likely_time(origin: Origin, block: Block, series: str | None) -> str:
    """The first column of timestamps, rather one without gaps."""
    kinds = {name: _kind_of_time(block.values[name], whole=False) for name in origin.types if name != series}
    likely = {name: kind for name, kind in kinds.items() if kind is not None}
    certain = [name for name, kind in likely.items() if _sound(block.values[name], kind)]
    if not likely:
        raise JobError(
            f"{origin.file}: no column holds timestamps like 2024-01-31 14:00:00; "
            f"name the time column with --time ({_listed(origin)})"
        )
    return [*certain, *likely][0]


def _sound(values: pa.Array, kind: pa.DataType) -> bool:
    column = converted(stripped(values), kind)
    return column is not None and not column.null_count


def _kind_of_time(values: pa.Array, *, whole: bool) -> pa.DataType | None:
    """What times these are: by their type, or for texts by the first of them."""
    kind = values.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return pa.timestamp("ns", getattr(kind, "tz", None))
    if pa.types.is_integer(kind):
        return WHOLE if whole else None
    if not pa.types.is_string(kind):
        return None
    first, kinds = stripped(values.drop_null()[:1]), [*DATES, *([WHOLE] if whole else [])]
    return next((kind for kind in kinds if len(first) and converted(first, kind) is not None), None)


def _time_type(origin: Origin, time: str, block: Block) -> pa.DataType:
    kind = origin.types[time]
    found = _kind_of_time(block.values[time], whole=True)
    if found is None and not pa.types.is_string(kind):
        raise JobError(
            f"{origin.file}: column {time!r} is {kind}; a time is a timestamp, a date or a whole number"
        )
    return found or LOCAL


def _series_type(origin: Origin, series: str) -> pa.DataType:
    kind = origin.types[series]
    if pa.types.is_string(kind):
        return WHOLE if origin.guess else kind
    if not pa.types.is_integer(kind):
        raise JobError(
            f"{origin.file}: column {series!r} is {kind}; a series id is a string or a whole number"
        )
    return WHOLE


def _bad_time(file: str, name: str, place: str, value: str, kind: pa.DataType) -> JobError:
    wanted = _WRITTEN.get(kind, "a time of the years 1678 to 2261")
    return JobError(f"{file}: column {name!r}, {place}: {value} is not {wanted}; correct or drop it")


def _shown(value: pa.Scalar) -> str:
    try:
        return repr(value.as_py())
    except (OverflowError, ValueError):  # a time outside the years that Python knows
        return str(value.value)


def check_numeric(origin: Origin, time: str) -> None:
    """See that a wide table has columns beside its time, and that they are numbers, or texts that may be.

    Raises:
        JobError: names the first that is not.
    """
    if len(origin.types) < 2:
        raise JobError(
            f"{origin.file}: there is no column beside the time {time!r}; give it a series a column"
        )
    for name, kind in origin.types.items():
        if name != time and not numeric(kind) and not (origin.guess and kind == pa.string()):
            raise JobError(
                f"{origin.file}: column {name!r} is {kind}; beside its time a wide table has numbers alone: "
                "leave the column out"
            )


def _first_empty(column: pa.Array) -> int | None:
    """Where the first time or id is missing."""
    empty = pc.equal(column, "") if pa.types.is_string(column.type) else pc.is_null(column)
    bad = int(pc.index(pc.fill_null(empty, True), True).as_py())  # noqa: FBT003
    return bad if bad >= 0 else None
