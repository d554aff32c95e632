"""What every searcher can be asked and told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jobs.space import Values


class Searcher:
    """Chooses configurations; what is told means nothing to one that does not say otherwise."""

    def trials(self) -> int | None:
        """How many trials the searcher itself asks for; None leaves that to others."""
        return None

    def ask(self, number: int) -> Values | None:
        """The values of trial ``number``; None: there is none before more is known."""
        raise NotImplementedError

    def on_evidence(self, evidence: Sequence[dict[str, Any]]) -> None:
        """Take note of results of other sweeps: ``values``, ``epoch`` and ``score`` each."""

    def on_trial(self, number: int, values: Values) -> None:
        """Take note of a trial that begins, chosen by this searcher or not."""

    def on_result(self, number: int, epoch: int, best: float) -> None:
        """Take note of a trial's best score until a milestone."""

    def on_end(self, number: int, best: float, *, early: bool) -> None:
        """Take note of a trial's end, with infinity if it came to nothing; ``early``: it was stopped."""
