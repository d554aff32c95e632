"""What users write, where a job finds it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def write_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Writes a module and gives its folder."""
    monkeypatch.setattr(sys, "path", list(sys.path))

    def written(text: str) -> str:
        (tmp_path / "mine.py").write_text(text)
        return str(tmp_path)

    return written
