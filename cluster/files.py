"""Files on any file system: opening it, replacing a file whole, and saying in a sentence what went wrong."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from cluster.errors import ClusterError
from cluster.patience import Patience, reason

if TYPE_CHECKING:  # see ``cluster.disk``
    from pyarrow import fs as pafs

_ATTEMPT_SECONDS = 7.0  # without a byte, after which a request has failed

_LINK = (
    "is, or lies behind, a link to elsewhere, and nothing is written there: whoever put it there may have "
    "meant harm; take it away, or put the folder itself in its place"
)


def open_filesystem(uri: str, patience: Patience = Patience()) -> tuple[pafs.FileSystem, str]:  # noqa: B008 - frozen
    """The file system and the path on it that a path or URI means.

    Raises:
        ClusterError: the URI's scheme or its host cannot be used, or does not answer where it is asked.
    """
    from pyarrow import fs as pafs

    if "://" not in uri:
        return pafs.LocalFileSystem(), path_on_filesystem(uri)
    path_on_filesystem(uri)
    what = f"{uri}: cannot be opened"
    # A bucket whose region is not given is asked for it.
    return patience.attempt(lambda: pafs.FileSystem.from_uri(uri), what)


def path_on_filesystem(uri: str) -> str:
    """The path that a path or URI means on its file system; nobody is asked about it.

    Raises:
        ClusterError: the URI's scheme, host or options cannot be used.
    """
    if "://" not in uri:
        return str(Path(uri).expanduser().absolute())
    import pyarrow as pa
    from pyarrow import fs as pafs

    asked = urlsplit(uri)
    if asked.password is not None or asked.username not in {None, "anonymous"}:  # Google's public buckets
        where = uri.rpartition("@")[2]
        raise ClusterError(
            f"{uri.partition('://')[0]}://…@{where}: no key or password stands in a URI, which is written "
            "down and shown; put it into the environment (AWS_ACCESS_KEY_ID and the like)"
        )
    asks = asked.scheme == "s3" and "region" not in parse_qs(asked.query)
    settled = f"{uri}{'&' if asked.query else '?'}region=us-east-1" if asks else uri
    try:
        return str(pafs.FileSystem.from_uri(settled)[1])
    except (pa.ArrowInvalid, OSError) as error:
        first_line = str(error).splitlines()[0]
        raise ClusterError(f"{uri}: cannot be opened ({first_line}); give a folder or another URI") from None


def trying_once(filesystem: pafs.FileSystem) -> pafs.FileSystem:
    """The same file system, where a request fails soon and is not repeated: patience is its user's.

    By themselves Arrow's clients repeat a request for half a minute (S3) or a quarter of an hour (Google's).
    A small file goes up in one request.
    """
    from pyarrow import fs as pafs

    options: dict[str, Any] = {}
    if filesystem.type_name == "s3":
        options = {
            "connect_timeout": _ATTEMPT_SECONDS / 2,
            "request_timeout": _ATTEMPT_SECONDS,
            "retry_strategy": pafs.AwsStandardS3RetryStrategy(max_attempts=1),
            "allow_delayed_open": True,
        }
    elif filesystem.type_name == "gcs":
        options = {"retry_time_limit": timedelta(seconds=_ATTEMPT_SECONDS / 2)}
    if not options:
        return filesystem
    rebuild, (given,) = filesystem.__reduce__()  # all of its URI's options
    return rebuild(given | options)


@contextmanager
def refusing(what: str) -> Iterator[None]:
    """Turn a storage's OSError into a ClusterError that says ``what`` could not be done, and why."""
    try:
        yield
    except OSError as error:
        raise ClusterError(f"{what} ({reason(error)})") from None


def replace_file(target: Path, data: bytes, mode: int = 0o666) -> None:
    """Put a whole file, with ``mode`` less the umask, in the place of what was there, or leave that."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def settle(path: Path) -> None:
    """Have a file's name on the disk, and those of the folders that it lies in.

    What is in a file is there as soon as it is synced itself; the entry that leads to it is its folder's.

    Raises:
        OSError: the disk fails.
    """
    for folder in path.parents:
        try:
            opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except PermissionError:
            continue  # another's, and there before
        try:
            os.fsync(opened)
        except OSError as error:
            if error.errno not in {errno.EINVAL, errno.ENOTSUP, errno.EROFS}:  # not every folder can be
                raise
        finally:
            os.close(opened)


def open_unlinked(path: Path, flags: int, mode: int = 0o666) -> int:
    """A descriptor for changing a file itself, never one that a link in its place leads to.

    Raises:
        ClusterError: there is a link.
        OSError: it cannot be opened.
    """
    try:
        return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise ClusterError(f"{path} {_LINK}") from None


def check_unlinked(path: Path, root: Path) -> None:
    """See that no link on the way from ``root``, which may be one itself, leads a file elsewhere.

    Raises:
        ClusterError: one does.
    """
    way = path.parent.relative_to(root)
    if os.path.realpath(path.parent) != str(Path(os.path.realpath(root)) / way):
        raise ClusterError(f"{path.parent} {_LINK}")
