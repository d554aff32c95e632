"""A local disk that is full at the worst moment, for the tests of what then comes back."""

from __future__ import annotations

import errno
from typing import Any

from pyarrow import fs as pafs


class FullDisk(pafs.FileSystemHandler):
    """The local disk, on which no finished folder called ``out`` can take its place."""

    def __init__(self) -> None:
        self._disk = pafs.LocalFileSystem()

    def move(self, src: str, dest: str) -> None:
        if dest.endswith("/out") and not src.endswith(".replaced"):
            raise OSError(errno.ENOSPC, "full")
        self._disk.move(src, dest)

    def get_type_name(self) -> str:
        return "full"

    def normalize_path(self, path: str) -> str:
        return self._disk.normalize_path(path)

    def get_file_info(self, paths: list[str]) -> list[pafs.FileInfo]:
        return self._disk.get_file_info(paths)

    def get_file_info_selector(self, selector: pafs.FileSelector) -> list[pafs.FileInfo]:
        return self._disk.get_file_info(selector)

    def create_dir(self, path: str, recursive: bool) -> None:  # noqa: FBT001 - Arrow's signature
        self._disk.create_dir(path, recursive=recursive)

    def delete_dir(self, path: str) -> None:
        self._disk.delete_dir(path)

    def delete_dir_contents(self, path: str, missing_dir_ok: bool = False) -> None:  # noqa: FBT001, FBT002
        self._disk.delete_dir_contents(path, missing_dir_ok=missing_dir_ok)

    def delete_root_dir_contents(self) -> None:
        raise NotImplementedError

    def delete_file(self, path: str) -> None:
        self._disk.delete_file(path)

    def copy_file(self, src: str, dest: str) -> None:
        self._disk.copy_file(src, dest)

    def open_input_stream(self, path: str) -> Any:
        return self._disk.open_input_stream(path)

    def open_input_file(self, path: str) -> Any:
        return self._disk.open_input_file(path)

    def open_output_stream(self, path: str, metadata: Any) -> Any:
        return self._disk.open_output_stream(path, metadata=metadata)

    def open_append_stream(self, path: str, metadata: Any) -> Any:
        return self._disk.open_append_stream(path, metadata=metadata)
