"""What lies ahead of a trial and of those like it, which decides how its programs are compiled.

Only the job and the trial's place in it count, so that a trial is the same on every run, resumed or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from jobs.space import Space

_ARGUMENTS = {"learning_rate", "clip_norm", "schedule", "stride", "dropout"}  # nothing is compiled for them
_PROCESSES = 2  # that compile a program; each further one finds it in the cache


@dataclass(frozen=True)
class Outlook:
    """What is known of a trial beforehand.

    Attributes:
        rungs: epochs at which trials are stopped, of those to come and those that were.
        alike: trials of the sweep that share a program, on average.
    """

    rungs: tuple[int, ...] = ()
    alike: float = 1.0

    def stretch(self, epoch: int, last: int) -> tuple[int, int]:
        """The rungs round an epoch: a trial is certain to train from one to the other."""
        before = max((rung for rung in self.rungs if rung <= epoch), default=0)
        return before, min((rung for rung in self.rungs if rung > epoch), default=last)

    def epochs(self, epoch: int, last: int) -> float:
        """Epochs that a program is expected to train: in this stretch, or in all trials that share it.

        Of trials that come to a rung so many are expected to go on as keep every rung as much work.
        """
        before, after = self.stretch(epoch, last)
        rungs = [rung for rung in self.rungs if rung < last]
        stretches = pairwise((0, *rungs, last))
        mean = sum((end - begin) * (rungs[0] / end if begin else 1) for begin, end in stretches)
        return max(after - before, mean * self.alike / _PROCESSES)


ALONE = Outlook()


def alike(space: Space, trials: int) -> float:
    """How many of a sweep's trials share a program, on average and at least one."""
    compiled = [p for p in space.parameters if not _ARGUMENTS & set(p.name.split("."))]
    return max(1.0, trials / Space(tuple(compiled), space.depth).size())
