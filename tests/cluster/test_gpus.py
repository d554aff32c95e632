"""The GPUs of this machine, told by an ``nvidia-smi`` that stands in for NVIDIA's where there is no card."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.errors import ClusterError
from cluster.gpus import Gpu, find_gpus
from tests.cluster.cards import CARDS, pretend

GIB = 1 << 30


def test_every_card_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretend(monkeypatch, tmp_path, CARDS)

    assert find_gpus() == [
        Gpu("0", "GPU-aaa", "NVIDIA L4", 24 * GIB, used=10 << 20),
        Gpu("1", "GPU-bbb", "NVIDIA L4", 24 * GIB, used=9000 << 20),
    ]


@pytest.mark.parametrize(("visible", "found"), [("1", ["1"]), ("GPU-a", ["0"]), ("1, 0", ["0", "1"])])
def test_only_the_visible_ones_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, visible: str, found: list[str]
) -> None:
    pretend(monkeypatch, tmp_path, CARDS)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    assert [gpu.index for gpu in find_gpus()] == found


def refusal() -> str:
    with pytest.raises(ClusterError) as error:
        find_gpus()
    return str(error.value)


@pytest.mark.parametrize("visible", ["", "7", "GPU-c"])
def test_cards_that_are_all_hidden_are_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, visible: str
) -> None:
    pretend(monkeypatch, tmp_path, CARDS)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    assert refusal() == f"no GPU can be used here: CUDA_VISIBLE_DEVICES={visible!r} names none of them"


@pytest.mark.parametrize(
    ("says", "code", "why"),
    [
        ("No devices were found", 0, "nvidia-smi tells of this: No devices were found"),
        ("Failed to initialize NVML: Driver/library version mismatch", 18, "nvidia-smi says: Failed to init"),
        ("", 0, "nvidia-smi says: nothing"),
    ],
)
def test_what_the_tool_says_instead_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, says: str, code: int, why: str
) -> None:
    pretend(monkeypatch, tmp_path, says, code)

    assert why in refusal()


def test_without_the_tool_there_is_no_card(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert refusal() == "no GPU was found here: nvidia-smi is not installed"


def test_a_share_of_a_card_leaves_room_for_what_every_process_takes() -> None:
    card = Gpu("0", "GPU-aaa", "NVIDIA L4", 24 * GIB)

    pools = [card.pool(share) for share in (1.0, 0.5, 0.25)]

    assert [share * 24 * GIB - pool for share, pool in zip((1.0, 0.5, 0.25), pools, strict=True)] == [
        600 << 20
    ] * 3
    assert card.pool(0.01) == 256 << 20
