"""A temporary folder, short enough for Ray's sockets, and cleared away even after a kill."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster.errors import ClusterError

_PREFIX = "recur-"
_LONGEST = 40  # Ray's socket names take the rest of the 107 characters the kernel allows


@contextmanager
def scratch_folder(temp: Path | None) -> Iterator[Path]:
    """A short-named folder under ``temp``, removed at the end; what killed sessions left goes first.

    It is held by a lock that even SIGKILL releases, which is how a later session tells it from one in use.

    Raises:
        ClusterError: when it cannot be made, or ``temp`` is too long a path for Ray.
    """
    parent = _parent(temp)
    _sweep(parent)
    try:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    except OSError as error:
        raise ClusterError(f"{parent}: temporary files cannot be put there: {error.strerror}") from None
    with (folder / "lock.new").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (folder / "lock.new").rename(folder / "lock")  # only now may others look whether it is held
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _parent(temp: Path | None) -> Path:
    if temp is None:
        usual = Path(tempfile.gettempdir())
        return usual if len(str(usual)) <= _LONGEST else Path("/tmp")  # noqa: S108 - mkdtemp inside
    if not temp.is_absolute() or len(str(temp)) > _LONGEST:
        limit = f"an absolute path of at most {_LONGEST} characters"
        raise ClusterError(
            f"{temp}: Ray's temporary folder has to be {limit}, or its socket names get too long"
        )
    return temp


def _sweep(parent: Path) -> None:
    """Remove what sessions left that were killed: their locks are free."""
    for path in parent.glob(f"{_PREFIX}*/lock"):
        try:
            with path.open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path.parent, ignore_errors=True)
        except OSError:
            continue  # held, someone else's, or gone by now
