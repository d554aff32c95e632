"""A user's modules on a node that does not have them: they come with each order."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

from cluster.backends.places import write_files
from cluster.scratch import scratch_folder


class Modules:
    """Folders of modules that have come, kept for as long as the process."""

    def __init__(self, held: ExitStack) -> None:
        """``held`` is closed at the process's end."""
        self._held, self._folders = held, dict[tuple[tuple[str, str], ...], str]()

    def folder(self, own: str | None, modules: Mapping[str, str]) -> str | None:
        """The driver's folder ``own`` where it holds the modules here too, else one that is made of them."""
        if not modules or _are_in(Path(own or "."), modules):
            return own
        key = tuple(sorted(modules.items()))
        if key not in self._folders:
            folder = self._held.enter_context(scratch_folder(None)) / "code"
            write_files(folder, modules)
            self._folders[key] = str(folder)
        return self._folders[key]


def _are_in(folder: Path, modules: Mapping[str, str]) -> bool:
    with suppress(OSError, UnicodeDecodeError):
        return all((folder / name).read_text(encoding="utf-8") == text for name, text in modules.items())
    return False
