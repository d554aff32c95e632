"""Where compiled programs are kept between runs, so that a resumed or nightly sweep starts compiled."""

from __future__ import annotations

import hashlib
import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cluster.cache import cache_folder

_MOST_BYTES = 1 << 30  # of programs; the ones used longest ago go first


def compiled_programs(flags: str, card: str = "") -> Path:
    """A folder for programs of this machine's kind and these versions; made if need be, and kept small.

    Args:
        flags: XLA's, which decide what it makes, though TensorFlow's own names for programs leave them out.
        card: the GPU's name.
    """
    cache = cache_folder("programs")
    folder = cache / _kind(flags, card)
    folder.mkdir(parents=True, exist_ok=True)
    _prune(cache)
    return folder


def _kind(flags: str, card: str) -> str:
    """Programs are machine code: they fit the processor's features and what they were made with."""
    words = [platform.machine(), flags, card]
    with suppress(OSError):
        cpu = Path("/proc/cpuinfo").read_text(errors="replace").split("\n\n")[0]
        words += [line for line in cpu.splitlines() if line.startswith(("flags", "Features", "model name"))]
    for package in ("tensorflow", "jaxlib"):
        with suppress(PackageNotFoundError):
            words.append(f"{package} {version(package)}")
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]


def _prune(cache: Path) -> None:
    found = []
    for path in cache.rglob("*"):
        with suppress(OSError):  # another run may have removed it meanwhile
            if path.is_file():
                stat = path.stat()
                found.append((max(stat.st_atime, stat.st_mtime), stat.st_size, path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= _MOST_BYTES:
            return
        with suppress(OSError):
            path.unlink()
            total -= size
