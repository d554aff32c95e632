"""The files of an object store, or of anything else that ``pyarrow.fs`` opens."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from pyarrow import fs as pafs


@dataclass(frozen=True)
class ArrowFiles:
    """Those of a file system of Arrow's, see ``cluster.disk.Files``."""

    filesystem: pafs.FileSystem

    def exists(self, path: str) -> bool:
        """See ``Files``."""
        # To be told of one that is not there, Arrow would ask a second time, for a folder.
        with suppress(FileNotFoundError), self.filesystem.open_input_file(path):
            return True
        return False

    def size(self, path: str) -> int:
        """See ``Files``."""
        return int(self.filesystem.get_file_info(path).size or 0)

    def mark(self, path: str) -> object:
        """See ``Files``."""
        found = self.filesystem.get_file_info(path)
        return None if found.type == pafs.FileType.NotFound else (found.mtime_ns, found.size)

    def read(self, path: str, start: int, limit: int) -> bytes | None:
        """See ``Files``."""
        with self.filesystem.open_input_file(path) as file:
            size = file.size()
            if size - start > limit:
                return None
            file.seek(min(start, size))
            return bytes(file.read())

    def write(self, path: str, data: bytes) -> None:
        """See ``Files``: an object store shows an object only when all of it is there."""
        with self.filesystem.open_output_stream(path, compression=None) as stream:
            stream.write(data)

    def files(self, folder: str, *, deep: bool = False) -> dict[str, int]:
        """See ``Files``; in one listing."""
        found = self._listed(folder, pafs.FileType.File, deep=deep)
        return {info.path.removeprefix(f"{folder}/"): info.size for info in found}

    def folders(self, folder: str) -> set[str]:
        """See ``Files``."""
        return {info.base_name for info in self._listed(folder, pafs.FileType.Directory)}

    def is_folder(self, path: str) -> bool:
        """See ``Files``."""
        return bool(self.filesystem.get_file_info(path).type == pafs.FileType.Directory)

    def make_folder(self, path: str) -> None:
        """See ``Files``."""
        self.filesystem.create_dir(path, recursive=True)

    def delete(self, path: str) -> None:
        """See ``Files``."""
        info = self.filesystem.get_file_info(path)
        with suppress(FileNotFoundError):  # Arrow deletes what is in a folder, and may find no folder then
            if info.type == pafs.FileType.File:
                self.filesystem.delete_file(path)
            elif info.type == pafs.FileType.Directory:
                self.filesystem.delete_dir(path)

    def _listed(self, folder: str, kind: pafs.FileType, *, deep: bool = False) -> list[pafs.FileInfo]:
        selector = pafs.FileSelector(folder, allow_not_found=True, recursive=deep)
        return [info for info in self.filesystem.get_file_info(selector) if info.type == kind]
