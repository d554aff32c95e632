"""What a trial says and whom it says it to; light to import, so that a driver needs no Keras."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol


@dataclass(frozen=True)
class EpochReport:
    """What a trial says after each epoch.

    Attributes:
        epoch: its number, from 1.
        score: the objective after this epoch; None where it is not finite.
        best_score, best_epoch: the best so far, this epoch included.
        metrics: loss and validation metrics of this epoch; where there are folds, means over them, beside
            which stand their standard deviations (``val_loss_spread``), the objective's as ``score_spread``.
        seconds: that this epoch took, validation included.
        ended: why this was the last epoch, or None.
        vitals: ``compile_seconds``, ``data_seconds``, ``train_seconds``, ``validate_seconds`` and
            ``checkpoint_seconds`` (waited for saves since the epoch before); ``windows_per_second`` of
            training; ``gradient_norm`` and ``gradient_norm_max``, mean and largest over the epoch's batches,
            before clipping; ``dead_units``, the share of ReLU units that gave nothing but zeros in
            validation; ``peak_memory_mb`` of the process so far.
    """

    epoch: int
    score: float | None
    best_score: float | None
    best_epoch: int
    metrics: dict[str, float | None]
    seconds: float
    ended: Literal["done", "diverged"] | None
    vitals: dict[str, float | None] = field(default_factory=dict)


class Hooks(Protocol):
    """Whoever a trial works for."""

    def report(self, report: EpochReport) -> bool:
        """Take an epoch's report; False ends the trial."""

    def save(self, *, state: Callable[[], bytes] | None, model: bytes | None, epoch: int, wait: bool) -> None:
        """Keep what ``state`` gives, to go on from, and the model of the best epoch, ``epoch``.

        What is None is not wanted or was saved before.  With ``wait`` it is on storage when this returns,
        else some time later, but before the next save and the next report that is a milestone or the last.
        """

    def alive(self) -> AbstractContextManager[None]:
        """Be patient with what is done inside, which takes long and cannot ask."""

    def interrupted(self, *, alive: bool = True) -> bool:
        """Whether to save and leave now; asked after every few batches, by one who is ``alive`` or not."""
