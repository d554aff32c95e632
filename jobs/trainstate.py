"""A trial's state as bytes: plain arrays and a JSON header, never a pickle.

``state`` holds all that the next epoch depends on (weights, optimiser, dropout's random state, early
stopping's count) and the best epoch's weights, so that a trial goes on exactly where it was.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from jobs.errors import JobError
from jobs.report import EpochReport

Arrays = list[np.ndarray[Any, Any]]

_DIGEST = hashlib.sha256().digest_size


@dataclass(frozen=True)
class Progress:
    """Where a trial stands after an epoch; scores are of the objective, less is better.

    ``reference`` is the score that early stopping last counted as an improvement and ``waited`` the epochs
    since then.
    """

    epoch: int = 0
    best_epoch: int = 0
    best_score: float = float("inf")
    reference: float = float("inf")
    waited: int = 0

    def after(self, score: float, min_delta: float) -> Progress:
        """The progress one epoch later, with that epoch's score."""
        moved = replace(self, epoch=self.epoch + 1, waited=self.waited + 1)
        if score < self.best_score:
            moved = replace(moved, best_score=score, best_epoch=moved.epoch)
        if score < self.reference - min_delta:
            moved = replace(moved, reference=score, waited=0)
        return moved


@dataclass(frozen=True)
class TrainState:
    """All that a trial needs to go on.

    Attributes:
        progress: where it stands.
        now, best: the arrays of this moment and of the best epoch.
        reports: every epoch's report so far, to be told again if whoever listened lost them.
    """

    progress: Progress
    now: Arrays
    best: Arrays
    reports: tuple[EpochReport, ...] = ()

    def inherited(self, donor: TrainState) -> TrainState:
        """This trial, as it goes on from another's weights: what it has found itself stays its best."""
        progress = replace(
            donor.progress, best_epoch=self.progress.best_epoch, best_score=self.progress.best_score
        )
        return replace(self, progress=replace(progress, reference=math.inf, waited=0), now=donor.now)

    def to_bytes(self) -> bytes:
        """An uncompressed ``.npz``, and the SHA-256 of that."""
        arrays = {f"now_{index}": array for index, array in enumerate(self.now)}
        arrays |= {f"best_{index}": array for index, array in enumerate(self.best)}
        told = {"progress": asdict(self.progress), "reports": [asdict(report) for report in self.reports]}
        header = np.frombuffer(json.dumps(told).encode(), np.uint8)
        buffer = io.BytesIO()
        np.savez(buffer, header=header, **arrays)  # type: ignore[arg-type]  # numpy's stub wants allow_pickle first
        data = buffer.getvalue()
        return data + hashlib.sha256(data).digest()

    @classmethod
    def from_bytes(cls, data: bytes) -> TrainState:
        """The inverse of ``to_bytes``.

        Raises:
            JobError: the bytes are no training state, or not all that were saved.
        """
        data, digest = data[:-_DIGEST], data[-_DIGEST:]
        if hashlib.sha256(data).digest() != digest:
            raise JobError(
                "a trial's saved state cannot be read (its SHA-256 differs); the trial starts over"
            )
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as stored:
                header = json.loads(stored["header"].tobytes())
                counts = {
                    kind: sum(name.startswith(kind) for name in stored.files) for kind in ("now_", "best_")
                }
                now, best = ([stored[f"{kind}{i}"] for i in range(n)] for kind, n in counts.items())
            progress = Progress(**header["progress"])
            return cls(progress, now, best, tuple(EpochReport(**report) for report in header["reports"]))
        except Exception as error:  # noqa: BLE001 - what was made to look like one raises anything
            raise JobError(f"a trial's saved state cannot be read ({error}); the trial starts over") from None
