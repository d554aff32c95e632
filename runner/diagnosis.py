"""What ails a trial, in words, from what its epochs said of themselves."""

from __future__ import annotations

from collections.abc import Mapping

_JUMP = 100.0  # times the mean gradient that a single one may have
_GROWTH = 1e3  # times its first epoch's that a gradient may become
_VANISHED = 1e-7
_DEAD = 0.5  # share of ReLU units

Vitals = Mapping[str, float | None]


def diagnose(first: Vitals, last: Vitals, state: str) -> str | None:
    """Exploding or vanishing gradients and dead units; None if there is nothing to say.

    Args:
        first: the first epoch's vitals, see ``jobs.report.EpochReport``.
        last: those of the last one; a value that is None was not finite.
        state: the trial's.
    """
    if "gradient_norm" not in last:  # nobody has looked
        return "the loss is not finite" if last and state == "diverged" else None
    words = []
    before, mean, largest = first.get("gradient_norm"), last["gradient_norm"], last["gradient_norm_max"]
    if mean is None or largest is None:
        words.append("exploding gradients (not finite)")
    elif largest > _JUMP * mean or (before and mean > _GROWTH * before):
        words.append(f"exploding gradients (up to {largest:.2g}, {mean:.2g} on average)")
    elif mean < _VANISHED:
        words.append(f"vanishing gradients ({mean:.1g} on average)")
    elif state == "diverged":
        words.append("the loss is not finite")
    dead = last.get("dead_units") or 0.0
    if dead >= _DEAD:
        words.append(f"{dead:.0%} of the ReLU units are dead")
    return "; ".join(words) or None
