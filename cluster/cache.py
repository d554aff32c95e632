"""What a node keeps between runs: what can be made again, in folders that appear whole or not at all."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cluster.errors import ClusterError

_SHARE = 0.2  # of the disk, that one kind of things may take


def cache_folder(kind: str) -> Path:
    """Where this user's things of a kind are kept on this node; made if need be.

    It is ``$RECUR_CACHE``, else ``$XDG_CACHE_HOME/recur``, else ``~/.cache/recur``; and a temporary folder
    where there is no home that can be written to, as in some containers.

    Raises:
        ClusterError: ``RECUR_CACHE`` is given and cannot be used.
    """
    given = os.environ.get("RECUR_CACHE")
    usual = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "recur"
    for root in [Path(given).expanduser().absolute()] if given else [usual, _temporary()]:
        with suppress(OSError):
            (root / kind).mkdir(parents=True, exist_ok=True)
            if os.access(root / kind, os.W_OK):
                return root / kind
    raise ClusterError(f"RECUR_CACHE: {given or _temporary()} cannot be written; give a folder that can")


def _temporary() -> Path:
    return Path(tempfile.gettempdir()) / f"recur-cache-{os.getuid()}"


def kept(kind: str, key: str, make: Callable[[Path], None]) -> Path:
    """The folder kept under a key, made by ``make`` where there is none.

    One process makes it while others that want the same wait.  What was used longest ago is removed when
    folders of the kind together take more than a share of the disk: who still maps files of it keeps them.

    Raises:
        ClusterError: the cache cannot be written.
        Whatever ``make`` raises; then nothing is left.
    """
    cache = cache_folder(kind)
    folder = cache / key
    if not folder.exists():
        with _locked(cache / f"{key}.lock"):
            if not folder.exists():  # another process may have made it meanwhile
                _make(folder, make)
        _prune(cache, folder)
    with suppress(OSError):
        os.utime(folder)
    return folder


def _make(folder: Path, make: Callable[[Path], None]) -> None:
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed
    try:
        make(partial)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def _locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold a lock that even SIGKILL releases; its file is gone afterwards.

    Raises:
        BlockingIOError: another process holds it, and this one does not ``wait``.
        ClusterError: the file system has no locks.
    """
    while True:
        with path.open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                raise
            except OSError as error:
                raise ClusterError(
                    f"{path.parent}: files cannot be locked there ({error.strerror}); "
                    "set RECUR_CACHE to a folder on a disk of this machine"
                ) from None
            if not _same(lock.fileno(), path):
                continue  # whoever held it has removed it
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return


def _same(descriptor: int, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False


def _prune(cache: Path, latest: Path) -> None:
    """Make the cache small again, and remove what killed processes left."""
    for partial in cache.glob("*.partial"):
        with suppress(OSError), _locked(partial.with_suffix(".lock"), wait=False):
            shutil.rmtree(partial, ignore_errors=True)
    sizes = {folder: _size(folder) for folder in cache.iterdir() if folder.is_dir()}
    excess = sum(sizes.values()) - _SHARE * shutil.disk_usage(cache).total
    for folder in sorted(sizes, key=_used):
        if excess > 0 and folder != latest and folder.suffix != ".partial":
            doomed = folder.with_name(f"{folder.name}.partial")  # at once, so that nobody opens half of it
            with suppress(OSError), _locked(cache / f"{folder.name}.lock", wait=False):
                folder.rename(doomed)
                shutil.rmtree(doomed, ignore_errors=True)
                excess -= sizes[folder]


def _size(folder: Path) -> int:
    total = 0
    with suppress(OSError):
        for path in folder.iterdir():
            total += path.stat().st_size
    return total


def _used(folder: Path) -> float:
    with suppress(OSError):
        return folder.stat().st_mtime
    return 0.0
