"""What users write, where a job finds it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def write_module(tmp_path: Path) -> Callable[[str], str]:
    """Writes a module and gives its folder."""

    def written(text: str) -> str:
        (tmp_path / "mine.py").write_text(text)
        return str(tmp_path)

    return written
