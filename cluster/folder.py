"""A folder on storage, its files read and written whole, waited for while the storage does not answer."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from cluster.errors import ClusterError
from cluster.files import check_unlinked, open_unlinked, refusing, settle
from cluster.patience import Patience

if TYPE_CHECKING:
    from cluster.storage import Storage

SMALL = 16 << 20  # bytes; no document that is read whole, spec or JSON, comes near
LARGEST = 4 << 30  # bytes; no model, state or part of a journal comes near
_AT_ONCE = 8  # uploads beside each other

Result = TypeVar("Result")


@dataclass(frozen=True)
class Folder:
    """A folder directly in a storage, whether or not it is there; ``relative`` paths are inside it.

    Raises:
        ClusterError: every method, where the storage refuses, does not answer for as long as the storage's
            ``patience`` lasts, or a path would leave the folder.
    """

    storage: Storage
    name: str

    def patient(self, patience: Patience) -> Self:
        """The same folder, its storage waited for otherwise."""
        return replace(self, storage=replace(self.storage, patience=patience))

    def impatient(self) -> Self:
        """The same folder, everything tried once: for whoever comes back to it by himself."""
        return self.patient(replace(self.storage.patience, seconds=0.0))

    @property
    def uri(self) -> str:
        """Where the folder is, as a path or URI that any command takes."""
        return self.storage.inside(self.name)

    def inside(self, relative: str) -> str:
        """The path or URI of a file of it."""
        return self.storage.inside(f"{self.name}/{relative}")

    def path(self, relative: str) -> str:
        """The full path on the file system of a path inside the folder.

        Raises:
            ClusterError: it would lie outside, or is none that any storage takes.
        """
        for path in (self.name, relative):
            if not _stays_inside(path):
                raise ClusterError(
                    f"{self.storage.uri}: {path!r} is no path inside a sweep's folder and is not followed; "
                    "whoever wrote it there meant harm, or the file that names it is damaged"
                )
        return f"{self.storage.root}/{self.name}/{relative}".rstrip("/")

    def exists(self, relative: str) -> bool:
        """Whether a file is there."""
        path = self.path(relative)
        return self._attempt(
            lambda: self.storage.files.exists(path), f"{self.inside(relative)}: cannot be looked at"
        )

    def size(self, relative: str) -> int:
        """A file's bytes; 0 where it is not there."""
        path = self.path(relative)
        return self._attempt(
            lambda: self.storage.files.size(path), f"{self.inside(relative)}: cannot be looked at"
        )

    def read(self, relative: str, limit: int = LARGEST) -> bytes:
        """A whole file.

        Raises:
            ClusterError: it is not there, cannot be read, or has more than ``limit`` bytes.
        """
        return self._read(relative, 0, limit)

    def read_from(self, relative: str, start: int, limit: int = LARGEST) -> bytes:
        """A file without its first ``start`` bytes; nothing where it has no more.

        Raises:
            ClusterError: as ``read``.
        """
        return self._read(relative, start, limit)

    def _read(self, relative: str, start: int, limit: int) -> bytes:
        path = self.path(relative)
        data = self._attempt(
            lambda: self.storage.files.read(path, start, limit), f"{self.inside(relative)}: cannot be read"
        )
        if data is None:
            shown = f"{limit >> 30} GiB" if limit >= 1 << 30 else f"{limit >> 20} MiB"
            raise ClusterError(
                f"{self.inside(relative)} is larger than {shown} and is not read: no file of Recur's of that "
                "name is; restore it from a copy"
            )
        return data

    def write(self, relative: str, data: bytes) -> None:
        """Put a whole file in the place of what was there, all of it or nothing.

        Raises:
            ClusterError: the storage does not take it.
        """
        path = self._changed(relative)
        self._change(
            lambda: self.storage.files.write(path, data), f"{self.inside(relative)}: cannot be written"
        )

    def write_several(self, files: Mapping[str, bytes]) -> None:
        """Put whole files, several at a time; in no order.

        Raises:
            ClusterError: as ``write``, of one of them; others may be there.
        """
        with ThreadPoolExecutor(_AT_ONCE, "upload") as pool:
            list(pool.map(self.write, files, files.values()))

    def write_json(self, relative: str, content: Any) -> None:
        """Put a JSON document."""
        self.write(relative, as_json(content))

    def read_json(self, relative: str) -> Any:
        """Read a JSON document.

        Raises:
            ClusterError: it is not there, is not JSON or far too large.
        """
        try:
            return json.loads(self.read(relative, SMALL))
        except (ValueError, RecursionError) as error:
            raise ClusterError(f"{self.inside(relative)}: not valid JSON ({error})") from None

    def files(self, relative: str) -> list[str]:
        """Names of the files directly in a folder, sorted; empty where there is no such folder.

        Hidden ones are left out: a write that was killed leaves one behind, which is nobody's.
        """
        return sorted(name for name in self._listed(relative) if not name.startswith("."))

    def tree(self, relative: str) -> dict[str, int]:
        """Bytes of every file in a folder and in those in it, by its path in that; in one listing."""
        found = self._listed(relative, deep=True)
        return {path: size for path, size in found.items() if _stays_inside(path)}

    def _listed(self, relative: str, *, deep: bool = False) -> dict[str, int]:
        path = self.path(relative)
        return self._attempt(
            lambda: self.storage.files.files(path, deep=deep), f"{self.inside(relative)}: cannot be listed"
        )

    def folders(self, relative: str) -> set[str]:
        """Names of the folders directly in a folder."""
        if self.storage.names() is not None:  # of a store that tells of files alone
            return {path.partition("/")[0] for path in self.tree(relative) if "/" in path}
        path = self.path(relative)
        return self._attempt(
            lambda: self.storage.files.folders(path), f"{self.inside(relative)}: cannot be listed"
        )

    def delete(self, relative: str) -> None:
        """Take a file or a folder away; nothing happens where it is not there."""
        path = self._changed(relative)
        self._change(lambda: self.storage.files.delete(path), f"{self.inside(relative)}: cannot be deleted")

    def remove(self) -> None:
        """Take the folder away with all that is in it; nothing happens where there is none."""
        self.delete("")

    def open_local(self, relative: str, flags: int) -> int:
        """A descriptor for changing a file in place, where the storage is a folder of this machine's.

        Raises:
            ClusterError: a link would lead out of the folder, or it cannot be opened.
        """
        path = Path(self._changed(relative))
        with refusing(f"{self.inside(relative)}: cannot be written"):
            path.parent.mkdir(parents=True, exist_ok=True)
            return open_unlinked(path, flags | os.O_CREAT)

    def settle(self, relative: str) -> None:
        """Have a file that is new outlive the loss of the machine, where a write alone does not see to that.

        Raises:
            ClusterError: the disk fails.
        """
        if self.storage.local is not None:
            with refusing(f"{self.inside(relative)}: cannot be kept"):
                settle(Path(self.path(relative)))

    def _changed(self, relative: str) -> str:
        """The path of a file that is to be changed; whoever can write to a storage may put links there."""
        path = self.path(relative)
        if self.storage.local is not None:
            check_unlinked(Path(path), Path(self.storage.root or "/"))
        return path

    def _attempt(self, operation: Callable[[], Result], what: str) -> Result:
        return self.storage.patience.attempt(operation, what, local=self.storage.local is not None)

    def _change(self, operation: Callable[[], Result], what: str) -> Result:
        return self.storage.patience.change(operation, what, local=self.storage.local is not None)


def as_json(content: Any) -> bytes:
    """A JSON document as it is put on storage."""
    return (json.dumps(content, indent=2, allow_nan=False) + "\n").encode()


def _stays_inside(path: str) -> bool:
    return not (
        path.startswith("/")
        or "\\" in path
        or any(ord(letter) < 32 or ord(letter) == 127 for letter in path)
        or {".", ".."}.intersection(path.split("/"))
    )
