"""The files of this machine's folders, as ``cluster.arrow`` has those of any other storage."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from cluster.files import replace_file

_NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


class Files(Protocol):
    """What is done with the files of a storage; paths are whole ones.

    Raises:
        OSError: every method, where the storage refuses or does not answer.
    """

    def exists(self, path: str) -> bool:
        """Whether a file is there."""

    def size(self, path: str) -> int:
        """A file's bytes; 0 where it is not there."""

    def mark(self, path: str) -> object:
        """What is another as soon as the file is; None where it is not there."""

    def read(self, path: str, start: int, limit: int) -> bytes | None:
        """A file without its first ``start`` bytes; None where those are more than ``limit``."""

    def write(self, path: str, data: bytes) -> None:
        """Put a whole file in the place of what was there, all of it or nothing."""

    def files(self, folder: str, *, deep: bool = False) -> dict[str, int]:
        """Bytes of every file in a folder by its path in that, also in those in it; of none nothing."""

    def folders(self, folder: str) -> set[str]:
        """Names of the folders directly in one; none where there is none."""

    def is_folder(self, path: str) -> bool:
        """Whether a folder is there."""

    def make_folder(self, path: str) -> None:
        """Have a folder there, and those that it lies in."""

    def delete(self, path: str) -> None:
        """Take a file, or a folder with all that is in it, away; nothing happens where there is none."""


class Disk:
    """This machine's files.

    By Python alone: to import Arrow takes longer than to read a sweep of ten thousand trials.
    """

    def exists(self, path: str) -> bool:
        """See ``Files``."""
        found = _look(path)
        return found is not None and stat.S_ISREG(found.st_mode)

    def size(self, path: str) -> int:
        """See ``Files``."""
        found = _look(path)
        return found.st_size if found is not None and stat.S_ISREG(found.st_mode) else 0

    def mark(self, path: str) -> object:
        """See ``Files``."""
        found = _look(path)
        return found and (found.st_ino, found.st_mtime_ns, found.st_size)

    def read(self, path: str, start: int, limit: int) -> bytes | None:
        """See ``Files``."""
        with Path(path).open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if size - start > limit:
                return None
            file.seek(min(start, size))
            return file.read()

    def write(self, path: str, data: bytes) -> None:
        """See ``Files``."""
        replace_file(Path(path), data)

    def files(self, folder: str, *, deep: bool = False) -> dict[str, int]:
        """See ``Files``."""
        found: dict[str, int] = {}
        if _look(folder) is None:
            return found
        with os.scandir(folder) as entries:
            for entry in entries:
                each = _look(entry.path)  # it may be gone
                if each is not None and stat.S_ISREG(each.st_mode):
                    found[entry.name] = each.st_size
                elif each is not None and deep and stat.S_ISDIR(each.st_mode):
                    inside = self.files(entry.path, deep=True)
                    found.update((f"{entry.name}/{name}", size) for name, size in inside.items())
        return found

    def folders(self, folder: str) -> set[str]:
        """See ``Files``."""
        if _look(folder) is None:
            return set()
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if self.is_folder(entry.path)}

    def is_folder(self, path: str) -> bool:
        """See ``Files``."""
        found = _look(path)
        return found is not None and stat.S_ISDIR(found.st_mode)

    def make_folder(self, path: str) -> None:
        """See ``Files``."""
        Path(path).mkdir(parents=True, exist_ok=True)

    def delete(self, path: str) -> None:
        """See ``Files``; of a link that alone."""
        if self.is_folder(path) and not Path(path).is_symlink():
            shutil.rmtree(path, onerror=_unless_gone)
        elif _look(path) is not None:
            with suppress(FileNotFoundError):
                Path(path).unlink()


def _look(path: str) -> os.stat_result | None:
    """What is at a path, or where the link there leads; None where nothing is."""
    try:
        return os.stat(path)  # noqa: PTH116 - of thousands
    except OSError as error:
        if error.errno in _NOT_THERE:
            return None
        raise


def _unless_gone(_function: Any, _path: str, raised: Any) -> None:
    """Of what others delete at the same time nothing is left to be done."""
    if not isinstance(raised[1], FileNotFoundError):
        raise raised[1]
