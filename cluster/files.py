"""Files on any file system: opening it, replacing a file whole, and saying in a sentence what went wrong."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs as pafs

from cluster.errors import ClusterError


def open_filesystem(uri: str) -> tuple[pafs.FileSystem, str]:
    """The file system and the path on it that a path or URI means.

    Raises:
        ClusterError: the URI's scheme or its host cannot be used.
    """
    if "://" not in uri:
        return pafs.LocalFileSystem(), str(Path(uri).expanduser().absolute())
    asked = urlsplit(uri)
    if asked.password is not None or asked.username not in {None, "anonymous"}:  # Google's public buckets
        where = uri.rpartition("@")[2]
        raise ClusterError(
            f"{uri.partition('://')[0]}://…@{where}: no key or password stands in a URI, which is written "
            "down and shown; put it into the environment (AWS_ACCESS_KEY_ID and the like)"
        )
    try:
        filesystem, path = pafs.FileSystem.from_uri(uri)
    except (pa.ArrowInvalid, OSError) as error:
        raise ClusterError(
            f"{uri}: cannot be opened ({str(error).splitlines()[0]}); give a folder or another URI"
        ) from None
    return filesystem, path


@contextmanager
def refusing(what: str) -> Iterator[None]:
    """Turn a storage's OSError into a ClusterError that says ``what`` could not be done, and why."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error).splitlines()[0]
        raise ClusterError(f"{what} ({reason})") from None


def replace_file(target: Path, data: bytes) -> None:
    """Put a whole file in the place of what was there, or leave that."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with partial.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
