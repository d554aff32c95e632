"""What is synced, in order, and what a folder held then."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


class Syncs:
    """Notes every sync of a file or folder, and carries it out.

    Attributes:
        paths: of what was synced.
        held: the names in it then; of a file none.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.paths: list[Path] = []
        self.held: list[set[str]] = []
        self._sync = os.fsync
        monkeypatch.setattr(os, "fsync", self._note)

    def _note(self, descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        self.paths.append(path)
        self.held.append({each.name for each in path.iterdir()} if path.is_dir() else set())
        self._sync(descriptor)

    def last(self, path: Path) -> set[str]:
        """What a folder held when it was synced last."""
        return next(
            held for each, held in zip(self.paths[::-1], self.held[::-1], strict=True) if each == path
        )
