"""What was wrong with a shard that could not be read: its content, or the way to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from pyarrow import fs as pafs

from jobs.errors import JobError, hint

_AROUND = re.compile(r"^Could not open Parquet input source '.*?': ")  # the sentence names the shard already


@contextmanager
def whole_file(filesystem: pafs.FileSystem, shard: str) -> Iterator[None]:
    """Turn what Arrow says of a file that it cannot read into a sentence."""
    try:
        yield
    except FileNotFoundError:
        raise JobError(
            f"shard {shard}: vanished while it was read; run again when it stays as it is"
        ) from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        trouble = _trouble(filesystem, shard)
        if trouble is not None:
            raise JobError(
                f"shard {shard}: cannot be read ({_line(trouble)}); "
                f"see that its storage answers and that you may read it{hint(trouble)}"
            ) from None
        raise JobError(
            f"shard {shard}: not a whole Parquet file ({_line(error)}); write it again or take it away"
        ) from None


def _trouble(filesystem: pafs.FileSystem, shard: str) -> OSError | None:
    """What keeps even the plain bytes from being read; None if nothing does."""
    try:
        with filesystem.open_input_stream(shard, compression=None) as stream:
            stream.read(4)
    except OSError as error:
        return error
    return None


def _line(error: Exception) -> str:
    """What Arrow says, in one line that is not too long."""
    return _AROUND.sub("", str(error).splitlines()[0])[:160]
