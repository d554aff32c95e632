"""A trial: one configuration, and what a sweep's journal says of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cluster.errors import ClusterError
from jobs.fidelity import PASSES, Fidelity
from jobs.names import NAME
from runner.diagnosis import diagnose
from runner.history import History

if TYPE_CHECKING:  # what reads a journal is to start at once
    from jobs.space import Values

STATES = ("done", "running", "paused", "stopped_early", "diverged", "failed", "pending")
ENDED = frozenset({"done", "stopped_early", "diverged", "failed"})


@dataclass(slots=True)  # of which there are thousands
class Trial:
    """One configuration and what came of it; people are shown its epochs as ``passes``.

    Attributes:
        values: what it trains with now; ``earlier``: what it trained with before it took over another
            trial's, each with the last epoch that it did so.
        score, epoch: the best seen so far and its epoch; ``score`` None before the first finite result.
        epochs_trained: the last epoch that reported.
        rung: the last epoch at which the scheduler had to decide, 0 before the first.
        history: every result.
        gpu, cpu: the share of a card, and the cores, that it was given because the job's were too little.
        losses: how often it has lost its worker; ``stuck``: since its last result, not with
            its whole node; ``late``: because it took too long;
            ``lost``: how, at last; ``forgiven``: the seconds that it had trained by then.
        off_cudnn: why it runs without cuDNN's kernels on a GPU; None if it does not.
        first_vitals, vitals: of the first and of the last epoch, see ``jobs.report.EpochReport``.
    """

    id: str
    number: int
    values: Values
    earlier: list[tuple[int, Values]] = field(default_factory=list)
    state: str = "pending"
    score: float | None = None
    epoch: int | None = None
    epochs_trained: int = 0
    rung: int = 0
    seconds: float = 0.0
    error: str | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)
    history: History = field(default_factory=History)
    first_vitals: dict[str, float | None] = field(default_factory=dict)
    vitals: dict[str, float | None] = field(default_factory=dict)
    fidelity: Fidelity = PASSES
    gpu: float | None = None
    cpu: int | None = None
    losses: int = 0
    stuck: int = 0
    late: int = 0
    lost: str | None = None
    forgiven: float = 0.0
    off_cudnn: str | None = None

    def passes(self, epochs: int | None) -> int | float | None:
        """So many epochs, as people are shown them."""
        return None if epochs is None else self.fidelity.passes(epochs)

    def values_at(self, epoch: int) -> Values:
        """The hyperparameters that it trained that epoch with."""
        for last, values in self.earlier:
            if epoch <= last:
                return values
        return self.values

    @property
    def best_values(self) -> Values:
        """The hyperparameters of its best epoch, shown with its score; before there is one, the present."""
        return self.values if self.epoch is None else self.values_at(self.epoch)

    @property
    def spread(self) -> float | None:
        """The standard deviation of the best score over the folds; None where there is one fold."""
        return self.metrics.get("score_spread")

    @property
    def eligible(self) -> bool:
        """Whether it may be the best: it has a score, and did not fail with its checkpoint."""
        return self.score is not None and self.state != "failed"

    @property
    def diagnosis(self) -> str | None:
        """What ails it, in words."""
        words = [diagnose(self.first_vitals, self.vitals, self.state)]
        words.append(f"slower than by cuDNN: {self.off_cudnn}" if self.off_cudnn else None)
        words.append(f"ran out of GPU memory, given {self.gpu:g} of a card" if self.gpu else None)
        words.append(f"ran out of memory, given the room of {self.cpu} cores" if self.cpu else None)
        if self.losses:
            words.append(f"lost its worker {self.losses} time{'s' * (self.losses > 1)}: {self.lost}")
        return "; ".join(filter(None, words)) or None

    def rank(self) -> tuple[float, int]:
        """Sorts trials from the best; the earlier of two that are equal."""
        return (float("inf") if self.score is None else self.score, self.number)

    def to_json(self) -> dict[str, Any]:
        """The trial as ``recur trials --json`` shows it."""
        return {
            "id": self.id,
            "state": self.state,
            "score": self.score,
            "spread": self.spread,
            "epoch": self.passes(self.epoch),
            "epochs_trained": self.passes(self.epochs_trained),
            "rung": self.passes(self.rung),
            "seconds": round(self.seconds, 3),
            "hyperparameters": self.best_values,
            "vitals": self.vitals,
            "diagnosis": self.diagnosis,
            "error": self.error,
        }


def check_id(trial: Any) -> None:
    """See that a trial's id is one that may be a folder's name: files are read and deleted by it.

    Raises:
        ClusterError: it is not.
    """
    if not isinstance(trial, str) or not NAME.fullmatch(trial):
        raise ClusterError(
            f"the journal names a trial {str(trial)[:80]!r}, as Recur names none; it is not read: restore it "
            "from a copy, or begin again with --fresh"
        )
