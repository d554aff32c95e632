"""JSON lines: an object a line, whose keys are columns.  A key that a line lacks is a missing value there.

Texts stay texts, numbers are int64 if all of them are whole and float64 if not.  All files of an import are
read once to find the types and once for the values.  Lines are counted without the empty ones.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.json as pa_json

from jobs.errors import JobError, reason
from jobs.origins import Block, Progress, over, unpacked
from jobs.shardvalues import numeric

BLOCK = 1 << 22  # bytes of JSON in memory at a time, or one line if that is longer


@dataclass(frozen=True)
class JsonFile:
    """A file whose lines are counted, with the types of the columns of all files of its import."""

    file: str
    types: dict[str, pa.DataType]
    total: int
    guess: bool = False

    def place(self, row: int) -> str:
        """One row is one line."""
        return f"line {row}"

    def count(self, progress: Callable[[int, float], object]) -> int:  # noqa: ARG002 - it is known already
        """What finding the types has counted."""
        return self.total

    def blocks(self) -> Iterator[Block]:
        """Blocks of lines.

        Raises:
            JobError: names the line that cannot be read.
        """
        schema, row = pa.schema(list(self.types.items())), 1
        for lines, share in _lines(self.file):
            try:
                values = _parsed(lines, schema)
            except (pa.ArrowInvalid, UnicodeDecodeError) as error:
                raise _fault(self.file, lines, row, {}, error) from None
            yield Block(row, values, share)
            row += values.num_rows


def open_json(files: Sequence[str], progress: Progress) -> list[JsonFile]:
    """Find the columns of all files, their types, and how many lines there are.

    Raises:
        JobError: names the file and the line that is no object, the column that holds values of several
            kinds, or nested ones.
    """
    types: dict[str, pa.DataType] = {}
    counts: list[int] = []
    for file, report in zip(files, over(files, progress), strict=True):
        row = 1
        for lines, share in _lines(file):
            row += _look(file, lines, row, types)
            report(row - 1, share)
        counts.append(row - 1)
    settled = {name: pa.float64() if pa.types.is_null(kind) else kind for name, kind in types.items()}
    return [JsonFile(file, settled, count) for file, count in zip(files, counts, strict=True)]


def _look(file: str, lines: bytes, row: int, types: dict[str, pa.DataType]) -> int:
    """How many lines these are; what they tell of the columns' types is put into ``types``."""
    before = dict(types)
    try:
        found = _parsed(lines)
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise _fault(file, lines, row, before, error) from None
    for field in found.schema:
        if pa.types.is_nested(field.type):
            raise JobError(
                f"{file}: column {field.name!r} holds nested values; flatten it into columns or leave it out"
            )
        # Arrow takes "2024-01-31" for a time, and loses the zone of one that names it.
        kind = pa.string() if pa.types.is_temporal(field.type) else field.type
        known = types.get(field.name, pa.null())
        if _word(kind) != _word(known) and not pa.types.is_null(kind) and not pa.types.is_null(known):
            raise _fault(file, lines, row, before, ValueError("values of several kinds"))
        types[field.name] = _wider(known, kind)
    return int(found.num_rows)


def _wider(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    if pa.types.is_null(one):
        return other
    return one if pa.types.is_null(other) or pa.types.is_floating(one) else other


def _parsed(lines: bytes, schema: pa.Schema | None = None) -> pa.RecordBatch:
    lines.decode()  # Arrow reads texts that are none
    table = pa_json.read_json(
        pa.BufferReader(lines),
        read_options=pa_json.ReadOptions(use_threads=False, block_size=len(lines) + 1),
        parse_options=pa_json.ParseOptions(
            explicit_schema=schema, unexpected_field_behavior="infer" if schema is None else "ignore"
        ),
    )
    return table.combine_chunks().to_batches()[0]


def _lines(file: str) -> Iterator[tuple[bytes, float]]:
    """Whole lines, about a block of them at a time, and the share of the file behind them."""
    size = max(Path(file).stat().st_size, 1)
    try:
        with pa.OSFile(file) as raw, unpacked(raw, file) as stream:
            rest = stream.read(3).removeprefix(codecs.BOM_UTF8)
            while read := stream.read(BLOCK):
                whole, newline, begun = read.rpartition(b"\n")
                lines, rest = (rest + whole + newline, begun) if newline else (b"", rest + read)
                if lines.strip():
                    yield lines, raw.tell() / size
    except OSError as error:
        raise JobError(f"{file}: cannot be read ({reason(error)}); write it again or leave it out") from None
    if rest.strip():
        yield rest, 1.0


def _fault(file: str, lines: bytes, row: int, types: dict[str, pa.DataType], error: Exception) -> JobError:
    """Which line is no object, or holds a value of another kind than those before it."""
    words = {name: _word(kind) for name, kind in types.items() if not pa.types.is_null(kind)}
    written = (line for line in lines.splitlines() if line.strip())
    for number, line in enumerate(written, start=row):
        try:
            values = json.loads(line.decode())
        except UnicodeDecodeError:
            return JobError(f"{file}: line {number}: not UTF-8 text; save it as JSON lines in UTF-8")
        except ValueError as broken:
            return JobError(
                f"{file}: line {number}: not JSON ({str(broken).partition(': line')[0]}); correct or drop it"
            )
        if not isinstance(values, dict):
            return JobError(f"{file}: line {number}: no object; write one {{…}} a line")
        for name, value in values.items():
            if value is not None and words.setdefault(name, _kind(value)) != _kind(value):
                return JobError(
                    f"{file}: line {number}: column {name!r} holds {_kind(value)}, "
                    f"and {words[name]} before; give it one type"
                )
    return JobError(
        f"{file}: lines {row} and on cannot be read as JSON lines ({reason(error)}); correct them"
    )


def _word(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "true or false"
    return "a number" if numeric(kind) else "a text"


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    return "a text" if isinstance(value, str) else "nested values"
