"""When a sweep is given up: the first of its trials that ended have all failed in the same way."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # of which this is a part
    from runner.results import Results

FIRST = 5  # trials that end before it is known


def gives_up(results: Results) -> bool:
    """Whether the trials so far leave no hope; asked at every end, of those that have ended.

    What others have reported says nothing about where these failed, unless it is of a later epoch than any of
    them came to.
    """
    first = [results.trials[trial] for trial in results.first]
    if len(first) < FIRST or results.failed < results.ended:
        return False
    if len({re.sub(r"\d+", "#", trial.error or "") for trial in first}) > 1:
        return False
    trials = results.trials.values()
    reached = max(trial.epochs_trained for trial in trials if trial.state == "failed")
    return not any(trial.eligible and trial.epochs_trained > reached for trial in trials)


def why(results: Results) -> str:
    """What a sweep that was given up says of it."""
    return f"the first five trials failed in the same way: {results.trials[results.first[0]].error}"
