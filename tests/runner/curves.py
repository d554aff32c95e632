"""Virtual trials: how each would train is drawn beforehand, so that a thousand of them take a second."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from jobs.jobfile import parse_job
from jobs.report import EpochReport
from jobs.spec import Job

JOB = """
name: virtual
data: {path: data, time: t, target: y}
window: {horizon: 1}
"""


@dataclass(frozen=True)
class Curve:
    """One trial's fate.

    Attributes:
        scores: after each epoch up to the job's last.
        patience: the epoch after which it ends by itself, at the latest the last.
        diverges, breaks: the epoch that gives no finite loss, or in which it fails; None for never.
    """

    scores: tuple[float, ...]
    patience: int
    diverges: int | None = None
    breaks: int | None = None

    def best(self, epoch: int) -> float:
        """The best score of the first ``epoch`` epochs."""
        known = self.scores[: min(epoch, (self.diverges or epoch + 1) - 1)]
        return min(known, default=math.inf)

    def end(self) -> tuple[int, str]:
        """The epoch it comes to if nobody stops it, and the state it ends in."""
        ends = [(self.patience, 2, "done"), (len(self.scores), 2, "done")]
        if self.diverges is not None:
            ends.append((self.diverges, 1, "diverged"))
        if self.breaks is not None:
            ends.append((self.breaks, 0, "failed"))
        epoch, _, state = min(ends)
        return epoch, state

    def report(self, epoch: int) -> EpochReport:
        """What the trainer would say after ``epoch``."""
        end, state = self.end()
        lost = state == "diverged" and epoch == end
        best = self.best(epoch)
        finite = math.isfinite(best)
        return EpochReport(
            epoch=epoch,
            score=None if lost else self.scores[epoch - 1],
            best_score=best if finite else None,
            best_epoch=self.scores.index(best) + 1 if finite else 0,
            metrics={"val_loss": None if lost else self.scores[epoch - 1]},
            seconds=1.0,
            ended=("diverged" if lost else "done") if epoch == end and state != "failed" else None,
        )


def draw_curve(rng: np.random.Generator, epochs: int, trouble: float) -> Curve:
    """A falling, noisy curve; ``trouble`` is the chance of each of the three ways to end early.

    Few different scores, so that there are ties.
    """
    falling = rng.uniform(0.5, 2) * np.arange(1, epochs + 1) ** -rng.uniform(0, 1)
    scores = np.round(falling + rng.normal(0, 0.2, epochs), 1)
    early = [int(rng.integers(1, epochs + 1)) if rng.random() < trouble else None for _ in range(3)]
    return Curve(tuple(scores.tolist()), early[0] or epochs, early[1], early[2])


def draw_curves(seed: int, count: int, epochs: int, trouble: float = 0.15) -> list[Curve]:
    """One for each trial; equal seeds give equal ones."""
    return [draw_curve(np.random.default_rng([seed, n]), epochs, trouble) for n in range(count)]


def curve_of(scores: Sequence[float], **fate: Any) -> Curve:
    """One of these scores, which ends by itself after the last unless its fate is another."""
    return Curve(tuple(scores), fate.pop("patience", len(scores)), **fate)


def make_job(**sections: dict[str, Any]) -> Job:
    """A small job; ``search={"trials": 3}`` and the like set fields of its sections."""
    overrides = [f"{name}.{key}={value}" for name, keys in sections.items() for key, value in keys.items()]
    return parse_job(JOB, source="job.yaml", overrides=overrides)


SEEDS = st.integers(0, 2**32)
WORKERS = st.integers(1, 7)
TROUBLE = st.sampled_from([0.0, 0.15, 0.6])
