"""A folder of Parquet shards that appears whole or not at all, on any file system."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs as pafs

from jobs.errors import JobError, reason
from jobs.origins import Progress
from jobs.pipeline import in_order

SHARD = re.compile(r"part-\d{5,}\.parquet")

_GROUP = 1 << 24  # bytes of a row group, before it is compressed
_AHEAD = 2  # row groups that wait to be written
_OBJECT_STORES = ("s3", "gcs", "abfs")


def even_sizes(rows: int, shards: int) -> list[int]:
    """Numbers of rows that add up to ``rows`` and differ by one at most, (shards,)."""
    return [rows // shards + (index < rows % shards) for index in range(shards)]


def write_shards(
    fs: pafs.FileSystem,
    folder: str,
    schema: pa.Schema,
    tables: Iterator[pa.Table],
    sizes: Sequence[int],
    progress: Progress,
) -> None:
    """Write tables one after the other into shards of the given numbers of rows, which add up to theirs.

    A thread makes tables while others are being written.
    """
    shards = rows = room = 0
    groups = in_order([lambda: _gathered(tables)], workers=1, ahead=_AHEAD)
    with closing(groups), ExitStack() as shard:  # or its thread would wait for ever after a Ctrl-C
        for table in groups:
            start = 0
            while start < table.num_rows:
                if not room:
                    shard.close()
                    path = f"{folder}/part-{shards:05d}.parquet"
                    writer = pq.ParquetWriter(
                        path, schema, filesystem=fs, compression="zstd", write_page_checksum=True
                    )
                    shard.enter_context(writer)
                    shards, room = shards + 1, sizes[shards]
                part = table.slice(start, room)
                writer.write_table(part)
                start, room, rows = start + part.num_rows, room - part.num_rows, rows + part.num_rows
            progress("written", rows, rows / sum(sizes))


def _gathered(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables that are large enough for a row group each: small ones are slow to read."""
    held: list[pa.Table] = []
    size = 0
    for table in tables:
        held.append(table)
        size += table.nbytes
        if size >= _GROUP:
            yield pa.concat_tables(held)
            held, size = [], 0
    if held:
        yield pa.concat_tables(held)


@contextmanager
def new_folder(fs: pafs.FileSystem, out: str, *, replace: bool, ours: re.Pattern[str]) -> Iterator[str]:
    """A hidden folder beside ``out`` to write in; it becomes ``out``, or nothing is left of it.

    On object stores, which cannot rename a folder, the files are moved one by one.

    Args:
        fs: where ``out`` lies.
        out: a whole path.
        replace: allow ``out`` to hold files, which are then replaced.
        ours: the names that may be replaced; with any other file in ``out`` it is refused.

    Raises:
        JobError: ``out`` may not be replaced or cannot be written.
    """
    out = out.rstrip("/")
    parent, slash, name = out.rpartition("/")
    if not slash:
        raise JobError(f"{out or '/'}: not a folder that can be made; give one inside it")
    temporary = f"{parent}/.{name}.{secrets.token_hex(4)}"
    made: list[str] = []
    try:
        _check_free(fs, out, replace=replace, ours=ours)
        made = _missing(fs, parent)
        fs.create_dir(temporary)
        yield temporary
        _put(fs, temporary, out, replace=replace)
    except BaseException as error:
        _clear(fs, temporary, made)
        if isinstance(error, OSError):
            raise JobError(f"{out}: cannot be written ({reason(error)})") from None
        raise


def _clear(fs: pafs.FileSystem, temporary: str, made: Sequence[str]) -> None:
    if fs.get_file_info(temporary).type == pafs.FileType.Directory:
        fs.delete_dir(temporary)
    for folder in made:
        if fs.get_file_info(folder).type == pafs.FileType.Directory and not _names(fs, folder):
            fs.delete_dir(folder)


def _check_free(fs: pafs.FileSystem, out: str, *, replace: bool, ours: re.Pattern[str]) -> None:
    if fs.get_file_info(out).type == pafs.FileType.File:
        raise JobError(f"{out}: is a file; give a folder that does not exist yet")
    names = _names(fs, out)
    if names and not replace:
        raise JobError(f"{out}: the folder is not empty; give another one, or --replace to replace it")
    foreign = [name for name in names if not ours.fullmatch(name)]
    if foreign:
        raise JobError(
            f"{out}: holds {foreign[0]!r}, which is not replaced; take it away or give another folder"
        )


def _names(fs: pafs.FileSystem, folder: str) -> list[str]:
    return sorted(
        info.base_name for info in fs.get_file_info(pafs.FileSelector(folder, allow_not_found=True))
    )


def _missing(fs: pafs.FileSystem, folder: str) -> list[str]:
    """The folder and those above it that do not exist, the deepest first; a bucket is never among them."""
    missing = []
    while "/" in folder and fs.get_file_info(folder).type == pafs.FileType.NotFound:
        missing.append(folder)
        folder = folder.rpartition("/")[0]
    return missing


def _put(fs: pafs.FileSystem, temporary: str, out: str, *, replace: bool) -> None:
    aside = f"{temporary}.replaced" if replace and _names(fs, out) else None
    if aside:
        _move(fs, out, aside)
    try:
        _move(fs, temporary, out)
    except BaseException:
        if aside:
            _move(fs, aside, out)
        raise
    if aside:
        fs.delete_dir(aside)


def _move(fs: pafs.FileSystem, source: str, target: str) -> None:
    if fs.type_name not in _OBJECT_STORES:
        fs.move(source, target)
        return
    moved: list[str] = []
    try:
        for name in _names(fs, source):
            fs.move(f"{source}/{name}", f"{target}/{name}")
            moved.append(name)
    except BaseException:
        for name in moved:
            fs.move(f"{target}/{name}", f"{source}/{name}")
        raise
    fs.delete_dir(source)
