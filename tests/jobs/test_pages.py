"""What a process keeps of a mapped file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from jobs import pages
from jobs.pages import Pages

SIZE = 64 << 20


def mapped(tmp_path: Path, mode: str = "r") -> np.ndarray:  # type: ignore[type-arg]
    np.save(tmp_path / "rows.npy", np.ones(SIZE, np.int8))
    return np.load(tmp_path / "rows.npy", mmap_mode=mode)  # type: ignore[no-any-return,call-overload]


def touched(array: np.ndarray, kept: Pages) -> tuple[int, int]:  # type: ignore[type-arg]
    """The most, and the last, that was in memory while all of it was read in parts."""
    before, found = pages._mapped(), []
    for begin in range(0, SIZE, 1 << 20):
        assert int(array[begin : begin + (1 << 20)].sum()) == 1 << 20
        kept.ease()
        found.append(pages._mapped() - before)
    return max(found), found[-1]


def test_no_more_is_kept_than_the_limit(tmp_path: Path) -> None:
    array = mapped(tmp_path)

    most, last = touched(array, Pages(array, 10 << 20))

    assert 8 << 20 < most < 13 << 20
    assert last < 13 << 20


def test_what_fits_is_kept(tmp_path: Path) -> None:
    array = mapped(tmp_path)

    assert touched(array, Pages(array, SIZE))[1] > 0.9 * SIZE


def test_what_is_not_mapped_is_left_alone() -> None:
    array = np.ones(SIZE, np.int8)

    Pages(array, 1).ease()

    assert array.all()


@pytest.mark.parametrize("text", ["", "4096\n"])
def test_a_system_that_does_not_say_is_no_error(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda _: text)

    assert pages._mapped() == 0
