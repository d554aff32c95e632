"""A stand-in for NVIDIA's tool, for machines without a card."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

CARDS = "0, GPU-aaa, NVIDIA L4, 24576, 10\n1, GPU-bbb, NVIDIA L4, 24576, 9000"


def pretend(monkeypatch: pytest.MonkeyPatch, folder: Path, says: str, code: int = 0) -> None:
    """Put an ``nvidia-smi`` that says this first on the path."""
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\ncat <<'END'\n{says}\nEND\nexit {code}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
