"""What an epoch is: a pass over the training windows, or a part of one where a pass is long.

In the code and in the journal an *epoch* is what a trial trains between two validations.  The job file's
epochs are passes, and so is what is shown to people; ``Fidelity`` goes from one to the other.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what reads a journal is to start at once
    from jobs.panel import Panel
    from jobs.params import Params
    from jobs.spec import Job

_VALIDATED = 4  # windows trained on for each that is validated on, where windows are counted
_LONG = 2  # epochs of ``search.windows`` in a pass, from where on ``auto`` counts windows


@dataclass(frozen=True)
class Fidelity:
    """How epochs are counted.

    Attributes:
        windows: trained on in an epoch, by every trial the same; None: all that the trial has.
        per_pass: epochs in a pass over the windows of the trial that has most.
    """

    windows: int | None = None
    per_pass: int = 1

    @property
    def validation(self) -> int | None:
        """Windows that an epoch is validated on, of those that there are; None: on all."""
        return None if self.windows is None else max(1, self.windows // _VALIDATED)

    def to_json(self) -> dict[str, Any]:
        """What ``Fidelity(**…)`` takes."""
        return asdict(self)

    def epochs(self, passes: int) -> int:
        """So many passes."""
        return passes * self.per_pass

    def passes(self, epochs: int) -> int | float:
        """So many epochs, as people are shown them."""
        return epochs if self.per_pass == 1 else round(epochs / self.per_pass, 4)

    def of(self, params: Params) -> Params:
        """The same trial, its epochs counted so."""
        from jobs.schedules import PLATEAU_PATIENCE

        train = params.train
        return replace(
            params,
            train=replace(
                train,
                max_epochs=self.epochs(train.max_epochs),
                patience=None if train.patience is None else self.epochs(train.patience),
                plateau_patience=self.epochs(PLATEAU_PATIENCE),
                epoch_windows=self.windows,
                validation_windows=self.validation,
            ),
        )


PASSES = Fidelity()


def fidelity_of(job: Job, panel: Panel) -> Fidelity:
    """What the job's ``search.resource`` means for a panel."""
    search, most = job.search, _most_windows(job, panel)
    if search.resource == "epochs" or (search.resource == "auto" and most < _LONG * search.windows):
        return PASSES
    per_pass = max(1, round(most / search.windows))
    return Fidelity(windows=math.ceil(most / per_pass), per_pass=per_pass)


def _most_windows(job: Job, panel: Panel) -> int:
    """Training windows of the trial that has most."""
    from jobs.params import WindowParams
    from jobs.parts import parts_of
    from jobs.searchable import possible
    from jobs.windows import count_windows

    window = job.window
    lookback, stride = (
        min(int(value) for value in possible(field) if value is not None)
        for field in (window.lookback, window.stride)
    )
    padded = job.data.short == "pad"
    fullest = WindowParams(lookback, window.horizon, stride, window.evaluation_stride, "none", padded=padded)
    separate = True in possible(window.channel_independent)
    return count_windows(parts_of(job, panel), fullest, panel.targets if separate else 1)["train"]
