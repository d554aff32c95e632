"""A trial's results in the order in which they came."""

from __future__ import annotations

import math
import struct
from base64 import b64decode, b64encode
from collections.abc import Iterator

Packed = tuple[list[int] | None, str, str]  # epochs, None for 1, 2, 3, …; scores and seconds, see ``_packed``


class History:
    """Epochs, and the score of each and the seconds that it took.

    One that was read packed stays so until somebody looks into it: whoever reads a sweep of thousands of
    trials looks into a few.  Iterating gives (epoch, score), the score None where it was not finite.
    """

    def __init__(self, packed: Packed = (None, "", "")) -> None:
        """What ``packed`` gave of another one."""
        self._packed: Packed | None = packed
        self._epochs: list[int] = []
        self._scores: list[float | None] = []
        self._seconds: list[float] = []

    def append(self, epoch: int, score: float | None, seconds: float) -> None:
        """Add a result."""
        self._unpack()
        self._epochs.append(epoch)
        self._scores.append(score)
        self._seconds.append(seconds)

    def packed(self) -> Packed:
        """All of it, as short, and as quick to write and read as JSON, as can be."""
        if self._packed is not None:
            return self._packed
        usual = self._epochs == list(range(1, len(self._epochs) + 1))
        scores = [math.nan if score is None else score for score in self._scores]
        return None if usual else self._epochs, _packed(scores), _packed(self._seconds)

    def _unpack(self) -> None:
        if self._packed is None:
            return
        epochs, scores, seconds = self._packed
        self._scores = [None if math.isnan(score) else score for score in _unpacked(scores)]
        self._epochs = list(range(1, len(self._scores) + 1)) if epochs is None else list(epochs)
        self._seconds = list(_unpacked(seconds))
        self._packed = None

    @property
    def seconds(self) -> list[float]:
        """What each epoch took."""
        self._unpack()
        return self._seconds

    @property
    def last(self) -> float | None:
        """The latest score."""
        self._unpack()
        return self._scores[-1] if self._scores else None

    def __iter__(self) -> Iterator[tuple[int, float | None]]:
        self._unpack()
        return zip(self._epochs, self._scores, strict=True)

    def __len__(self) -> int:
        self._unpack()
        return len(self._epochs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, History) and self.packed() == other.packed()

    __hash__ = None  # type: ignore[assignment]  # it grows

    def __repr__(self) -> str:
        return f"History({list(self)})"


def _packed(numbers: list[float]) -> str:
    return b64encode(struct.pack(f"<{len(numbers)}d", *numbers)).decode()


def _unpacked(text: str) -> tuple[float, ...]:
    data = b64decode(text)
    return struct.unpack(f"<{len(data) // 8}d", data)
