"""An object store in memory behind ``pyarrow.fs``, with S3's manners.

There are no folders but in the names of objects, an object is there only when its upload has ended, and the
last upload wins.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pyarrow as pa
from pyarrow import fs as pafs

from cluster.storage import Storage


class ObjectStore(pafs.FileSystemHandler):  # type: ignore[misc]  # pyarrow's class is untyped
    """Objects by key; ``down`` set makes every upload fail with its text."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.down: str | None = None
        self._lock = threading.Lock()

    def get_type_name(self) -> str:
        return "objects"

    def normalize_path(self, path: str) -> str:
        return path.strip("/")

    def get_file_info(self, paths: list[str]) -> list[pafs.FileInfo]:
        return [self._info(self.normalize_path(path)) for path in paths]

    def get_file_info_selector(self, selector: pafs.FileSelector) -> list[pafs.FileInfo]:
        prefix = self.normalize_path(selector.base_dir) + "/"
        with self._lock:
            inside = [key.removeprefix(prefix) for key in self.objects if key.startswith(prefix)]
        if not inside and not selector.allow_not_found:
            raise FileNotFoundError(selector.base_dir)
        if selector.recursive:
            return [self._info(prefix + name) for name in sorted(inside)]
        return [self._info(prefix + name) for name in sorted({key.partition("/")[0] for key in inside})]

    def create_dir(self, path: str, recursive: bool) -> None:  # noqa: FBT001 - pyarrow's signature
        """Nothing: names need no folders."""

    def delete_dir(self, path: str) -> None:
        prefix = self.normalize_path(path) + "/"
        with self._lock:
            for key in [key for key in self.objects if key.startswith(prefix)]:
                del self.objects[key]

    def delete_file(self, path: str) -> None:
        with self._lock:
            if self.objects.pop(self.normalize_path(path), None) is None:
                raise FileNotFoundError(path)

    def open_input_stream(self, path: str) -> pa.PythonFile:
        with self._lock:
            found = self.objects.get(self.normalize_path(path))
        if found is None:
            raise FileNotFoundError(2, "No such object", path)
        return pa.BufferReader(found)

    open_input_file = open_input_stream

    def open_output_stream(self, path: str, metadata: dict[str, str]) -> pa.PythonFile:
        del metadata
        if self.down:
            raise OSError(self.down)
        return pa.PythonFile(_Sink(lambda data: self._put(self.normalize_path(path), data)), mode="w")

    def _put(self, key: str, data: bytes) -> None:
        with self._lock:
            self.objects[key] = data

    def _info(self, key: str) -> pafs.FileInfo:
        with self._lock:
            if key in self.objects:
                return pafs.FileInfo(key, pafs.FileType.File, size=len(self.objects[key]))
            folder = any(other.startswith(f"{key}/") for other in self.objects)
        return pafs.FileInfo(key, pafs.FileType.Directory if folder else pafs.FileType.NotFound)

    def _unused(self, *arguments: Any) -> Any:
        raise NotImplementedError(arguments)

    delete_dir_contents = delete_root_dir_contents = move = copy_file = _unused
    open_append_stream = _unused


class _Sink:
    """What pyarrow writes an upload to."""

    def __init__(self, put: Callable[[bytes], None]) -> None:
        self._put, self._parts = put, list[bytes]()
        self.closed = False

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing shows before the end."""

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._put(b"".join(self._parts))


def open_object_store(store: ObjectStore) -> Storage:
    """A place for sweeps in it."""
    filesystem = pafs.PyFileSystem(store)
    return Storage(lambda: filesystem, "bucket/sweeps", "objects://bucket/sweeps")
