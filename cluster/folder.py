"""A folder on storage, its files read and written whole."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyarrow import fs as pafs

from cluster.errors import ClusterError
from cluster.files import refusing, replace_file

if TYPE_CHECKING:
    from cluster.storage import Storage


@dataclass(frozen=True)
class Folder:
    """A folder directly in a storage, whether or not it is there; ``relative`` paths are inside it."""

    storage: Storage
    name: str

    @property
    def uri(self) -> str:
        """Where the folder is, as a path or URI that any command takes."""
        return self.storage.inside(self.name)

    def inside(self, relative: str) -> str:
        """The path or URI of a file of it."""
        return self.storage.inside(f"{self.name}/{relative}")

    def path(self, relative: str) -> str:
        """The full path on the file system of a path inside the folder."""
        return f"{self.storage.root}/{self.name}/{relative}".rstrip("/")

    def exists(self, relative: str) -> bool:
        """Whether a file is there."""
        return bool(self._info(relative).type == pafs.FileType.File)

    def size(self, relative: str) -> int:
        """A file's bytes; 0 where it is not there."""
        return int(self._info(relative).size or 0)

    def read(self, relative: str) -> bytes:
        """A whole file.

        Raises:
            ClusterError: it is not there or cannot be read.
        """
        with (
            refusing(f"{self.inside(relative)}: cannot be read"),
            self.storage.filesystem.open_input_stream(self.path(relative), compression=None) as stream,
        ):
            return bytes(stream.read())

    def read_from(self, relative: str, start: int) -> bytes:
        """A file without its first ``start`` bytes; nothing where it has no more.

        Raises:
            ClusterError: it is not there or cannot be read.
        """
        with (
            refusing(f"{self.inside(relative)}: cannot be read"),
            self.storage.filesystem.open_input_file(self.path(relative)) as file,
        ):
            file.seek(min(start, file.size()))
            return bytes(file.read())

    def write(self, relative: str, data: bytes) -> None:
        """Put a whole file in the place of what was there, all of it or nothing.

        Raises:
            ClusterError: the storage does not take it.
        """
        target = self.path(relative)
        with refusing(f"{self.inside(relative)}: cannot be written"):
            if self.storage.local is not None:
                replace_file(Path(target), data)
            else:  # an object store shows an object only when all of it is there
                with self.storage.filesystem.open_output_stream(target, compression=None) as stream:
                    stream.write(data)

    def write_json(self, relative: str, content: Any) -> None:
        """Put a JSON document."""
        self.write(relative, (json.dumps(content, indent=2, allow_nan=False) + "\n").encode())

    def read_json(self, relative: str) -> Any:
        """Read a JSON document.

        Raises:
            ClusterError: it is not there or is not JSON.
        """
        try:
            return json.loads(self.read(relative))
        except ValueError as error:
            raise ClusterError(f"{self.inside(relative)}: not valid JSON ({error})") from None

    def files(self, relative: str) -> list[str]:
        """Names of the files directly in a folder, sorted; empty where there is no such folder.

        Hidden ones are left out: a write that was killed leaves one behind, which is nobody's.
        """
        return self.listed(relative, pafs.FileType.File)

    def listed(self, relative: str, kind: pafs.FileType) -> list[str]:
        """Names of what is directly in a folder and of a kind, sorted, hidden ones left out."""
        selector = pafs.FileSelector(self.path(relative), allow_not_found=True)
        with refusing(f"{self.inside(relative)}: cannot be listed"):
            found = self.storage.filesystem.get_file_info(selector)
        names = (f.base_name for f in found if f.type == kind)
        return sorted(name for name in names if not name.startswith("."))

    def delete(self, relative: str) -> None:
        """Take a file or a folder away; nothing happens where it is not there."""
        info = self._info(relative)
        # Google's store has no folders: Arrow deletes what is in one, and may find no folder then.
        with refusing(f"{self.inside(relative)}: cannot be deleted"), suppress(FileNotFoundError):
            if info.type == pafs.FileType.File:
                self.storage.filesystem.delete_file(info.path)
            elif info.type == pafs.FileType.Directory:
                self.storage.filesystem.delete_dir(info.path)

    def remove(self) -> None:
        """Take the folder away with all that is in it; nothing happens where there is none."""
        self.delete("")

    def _info(self, relative: str) -> pafs.FileInfo:
        with refusing(f"{self.inside(relative)}: cannot be looked at"):
            return self.storage.filesystem.get_file_info(self.path(relative))
