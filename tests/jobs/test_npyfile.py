"""Files that grow, and mappings that are given back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from jobs import npyfile
from jobs.npyfile import NpyFile, blocks, let_go


@pytest.mark.parametrize("rows", [0, 1, 9, 10, 123_456])
def test_a_file_grows_into_what_numpy_reads(tmp_path: Path, rows: int) -> None:
    values = np.arange(rows * 3, dtype=np.float32).reshape(rows, 3)
    with NpyFile(tmp_path / "a.npy", np.float32, 3) as file:
        for block in np.array_split(values, 7):
            file.append(block.astype(np.float64))

    found = np.load(tmp_path / "a.npy")
    assert (found.dtype, found.flags.c_contiguous) == (np.dtype(np.float32), True)
    np.testing.assert_array_equal(found, values)


def test_a_vector_of_any_memory_order(tmp_path: Path) -> None:
    with NpyFile(tmp_path / "a.npy", np.int64) as file:
        file.append(np.arange(10)[::2])
        file.append(np.arange(3))

    assert np.load(tmp_path / "a.npy").tolist() == [0, 2, 4, 6, 8, 0, 1, 2]


@pytest.mark.parametrize("overlap", [0, 1, 5])
@pytest.mark.parametrize("count", [0, 1, 4, 8, 9])
def test_blocks_are_the_whole_with_something_of_the_next(
    monkeypatch: pytest.MonkeyPatch, count: int, overlap: int
) -> None:
    monkeypatch.setattr(npyfile, "BLOCK", 4)
    values = np.arange(count)

    found = [block.tolist() for block in blocks(values, overlap=overlap)]

    assert [value for block in found for value in block[:4]] == values.tolist()
    assert [block[4:] for block in found] == [
        values[at + 4 : at + 4 + overlap].tolist() for at in range(0, count, 4)
    ]


def mapped_bytes(path: Path) -> int:
    """What this process has in memory of a mapped file."""
    lines = iter(Path("/proc/self/smaps").read_text().splitlines())
    for line in lines:
        if line.endswith(str(path)):
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Rss:"))
    raise AssertionError(f"{path} is not mapped")


def test_a_read_only_mapping_is_given_back_and_stays_readable(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(1_000_000))
    values = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert values.sum() == 499_999_500_000
    assert mapped_bytes(tmp_path / "a.npy") >= values.nbytes

    let_go(values)

    assert mapped_bytes(tmp_path / "a.npy") == 0
    assert sum(int(block.sum()) for block in blocks(values)) == 499_999_500_000
    assert mapped_bytes(tmp_path / "a.npy") == 0


def test_what_was_written_to_a_mapping_is_not_lost(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(10))
    values = np.load(tmp_path / "a.npy", mmap_mode="c")
    values[3] = -1

    let_go(values)

    assert values[3] == -1
