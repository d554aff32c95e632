"""Feather (Arrow IPC) and Parquet files, whose columns have types of their own.

The index of a DataFrame comes first, under the name that pandas' ``reset_index`` gives it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from jobs.errors import JobError, reason
from jobs.origins import CELLS, Block
from jobs.shardvalues import numeric, text

_INDEX = re.compile(r"__index_level_(\d+)__")
_BUFFER = 1 << 20  # bytes read at a time of each column of a Parquet file


@dataclass(frozen=True)
class _TypedFile:
    """A file, how it is read, and the name and type under which each of its columns is imported."""

    file: str
    names: dict[str, str]
    types: dict[str, pa.DataType]
    total: int
    batches: Callable[[str, int], Iterator[pa.RecordBatch]]
    guess: bool = False

    def place(self, row: int) -> str:
        """Rows are counted from 1; there is no header."""
        return f"row {row}"

    def count(self, progress: Callable[[int, float], object]) -> int:  # noqa: ARG002 - it takes no time
        """As the file's own metadata says."""
        return self.total

    def blocks(self) -> Iterator[Block]:
        """Record batches, in pieces.

        Raises:
            JobError: the file is damaged.
        """
        row, size = 1, max(CELLS // max(len(self.types), 1), 1)
        with _reading(self.file):
            for batch in self.batches(self.file, size):
                for start in range(0, batch.num_rows, size):
                    piece = batch.slice(start, size)
                    columns = [_plain(piece[name], kind) for name, kind in self._columns()]
                    values = pa.RecordBatch.from_arrays(columns, names=list(self.types))
                    yield Block(row, values, (row - 1 + piece.num_rows) / max(self.total, 1))
                    row += piece.num_rows

    def _columns(self) -> Iterator[tuple[str, pa.DataType]]:
        return ((self.names[name], kind) for name, kind in self.types.items())


def open_feather(file: str) -> _TypedFile:
    """An Arrow file (Feather, version 2) or a stream.

    Raises:
        JobError: it is damaged, or a column is of a type that cannot be imported.
    """
    with _reading(file):
        with _opened(file) as reader:
            schema, streamed = reader.schema, isinstance(reader, pa.RecordBatchStreamReader)
        total = _streamed_rows(file) if streamed else ds.dataset(file, format="ipc").count_rows()
        return _typed(file, schema, total, _ipc_batches)


def open_parquet(file: str) -> _TypedFile:
    """A Parquet file.

    Raises:
        JobError: as ``open_feather``.
    """
    with _reading(file), pq.ParquetFile(file) as reader:
        return _typed(file, reader.schema_arrow, reader.metadata.num_rows, _parquet_batches)


def _typed(
    file: str, schema: pa.Schema, total: int, batches: Callable[[str, int], Iterator[pa.RecordBatch]]
) -> _TypedFile:
    indices = [name for name in schema.names if _INDEX.fullmatch(name)]
    names = {_index_name(name, indices, schema.names): name for name in indices}
    names |= {name: name for name in schema.names if name not in indices}
    if len(set(schema.names)) < len(schema.names):
        twice = Counter(schema.names).most_common(1)[0][0]
        raise JobError(f"{file}: has column {twice!r} twice; give every column a name of its own")
    types = {name: _plain_type(file, name, schema.field(own).type) for name, own in names.items()}
    return _TypedFile(file, names, types, total, batches)


def _index_name(name: str, indices: list[str], taken: list[str]) -> str:
    level = _INDEX.fullmatch(name)
    if len(indices) == 1 and "index" not in taken:
        return "index"
    return f"level_{level[1]}" if level and f"level_{level[1]}" not in taken else name


def _plain_type(file: str, name: str, kind: pa.DataType) -> pa.DataType:
    """The type that a column is written with: categories become strings, what is all null numbers."""
    kinds = pa.types
    kind = kind.value_type if kinds.is_dictionary(kind) else kind
    if text(kind) or kinds.is_string_view(kind):
        return pa.string()
    if kinds.is_null(kind):
        return pa.float64()
    if numeric(kind) or (kinds.is_temporal(kind) and not kinds.is_interval(kind)):
        return kind
    what = "nested values" if kinds.is_nested(kind) else "values that are neither numbers, times nor texts"
    raise JobError(f"{file}: column {name!r} is {kind}, {what}; flatten it into columns or leave it out")


def _plain(column: pa.Array, kind: pa.DataType) -> pa.Array:
    column.validate(full=True)  # Arrow reads texts that are none, and indices of a dictionary that has fewer
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(kind)


@contextmanager
def _opened(file: str) -> Iterator[Any]:
    """A reader of a file or of a stream; it is not mapped, as one that is cut short meanwhile would crash."""
    with pa.OSFile(file) as raw:
        magic = raw.read(6)
        raw.seek(0)
        if magic.startswith(b"FEA1"):
            raise JobError(f"{file}: Feather of version 1; write it again as version 2")
        yield pa.ipc.open_file(raw) if magic == b"ARROW1" else pa.ipc.open_stream(raw)


def _ipc_batches(file: str, _size: int = 0) -> Iterator[pa.RecordBatch]:
    """Of whatever size they were written with."""
    with _opened(file) as reader:
        if isinstance(reader, pa.RecordBatchStreamReader):
            yield from reader
        else:
            for index in range(reader.num_record_batches):
                yield reader.get_batch(index)


def _streamed_rows(file: str) -> int:
    """A stream says nowhere how long it is."""
    return sum(batch.num_rows for batch in _ipc_batches(file))


def _parquet_batches(file: str, size: int) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(
        file, buffer_size=_BUFFER, pre_buffer=False, page_checksum_verification=True
    ) as reader:
        yield from reader.iter_batches(batch_size=size)


@contextmanager
def _reading(file: str) -> Iterator[None]:
    """Turn what Arrow says of a file that it cannot read into a sentence."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise JobError(f"{file}: cannot be read ({reason(error)}); write it again or leave it out") from None
