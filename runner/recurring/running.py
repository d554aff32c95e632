"""The process that carries out a schedule's run, tries again what failed, and goes on with what waits."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from cluster.errors import ClusterError, StorageAwayError
from cluster.references import redacted
from cluster.scheduledocs import Record, Run, whoever
from jobs.errors import JobError
from jobs.schedulespec import Notice
from runner.errors import Interrupted, WorkFailedError
from runner.launch import warn
from runner.recurring.desk import Desk, now
from runner.recurring.execution import Execution
from runner.recurring.notify import post
from runner.recurring.retention import remove_old
from runner.recurring.sweeping import Where
from runner.recurring.trust import believed_notices


@dataclass(frozen=True)
class Runner:
    """Carries out what a schedule's state tells of.

    Attributes:
        where, trusted, force: as ``Execution``.
        kept: whether a run that a signal ends is gone on with by whoever looks after the schedule next.
        wait: sleeps before an attempt.
    """

    desk: Desk
    where: Where
    trusted: str | None = None
    force: bool = False
    kept: bool = False
    wait: Callable[[float], None] = time.sleep

    def carry_on(self) -> list[Record]:
        """Carry out the run that goes on, and then the ones that wait for it; what came of the last.

        Raises:
            LeaseTakenError: another process does so.
            ClusterError: the storage cannot be used; what is not recorded is gone on with later.
            Interrupted, KeyboardInterrupt: a signal came.
        """
        records: list[Record] = []
        with self.desk.running():
            while (run := self._begun()) is not None:
                records = self._one(run)
                self._end(records)
        return records

    def _begun(self) -> Run | None:
        return self.desk.state(self.desk.folder.definition()).run

    def _one(self, run: Run) -> list[Record]:
        """Carry out a run, as often as the rules allow; what came of it."""
        while True:
            execution = Execution(self.desk, run, self.where, self.trusted, force=self.force)
            try:
                return execution.carry_out()
            except (Interrupted, KeyboardInterrupt):
                self._interrupted(run)
                raise
            except Exception as error:  # noqa: BLE001 - whatever a run raises is that run's failure
                said, rules = _spoken(error), self.desk.rules()
                if isinstance(error, JobError) or run.attempt > rules.retries:
                    failed = Record(now(), "failed", whoever(), said, tick=run.tick, sweep=run.sweep)
                    return [*execution.records, failed]
                seconds = rules.retry_wait * 2 ** (run.attempt - 1)
                warn(f"{said}; it is tried again in {seconds:g} s")
                run = self._again(run, said, seconds)

    def _again(self, run: Run, why: str, seconds: float) -> Run:
        self.wait(seconds)
        try:
            with self.desk.deciding() as agenda:
                return agenda.again(why)
        except StorageAwayError:
            return run  # and it is tried as often as it takes for the storage to be back

    def _interrupted(self, run: Run) -> None:
        """A person who ends what he began wants no server to go on with it."""
        if self.kept:
            return
        with self.desk.deciding() as agenda:
            said = f"it was interrupted; recur resume {run.sweep} goes on with its sweep alone"
            stopped = Record(now(), "interrupted", whoever(), said, tick=run.tick, sweep=run.sweep)
            agenda.end([stopped])

    def _end(self, records: list[Record]) -> None:
        """Write down what came, tell it, and take away sweeps that are too old."""
        folder, notices = self.desk.folder, self._notices()
        if notices is not None:  # before it is written down: it is told at least once
            for record in records:
                post(folder, notices, record)
        with self.desk.deciding() as agenda:
            agenda.end(records)
        remove_old(self.desk)

    def _notices(self) -> tuple[Notice, ...] | None:
        """Whom to tell; None where that is not known, as the job is not valid any more or not believed."""
        try:
            return believed_notices(self.desk.folder, self.desk.job(), self.trusted)
        except JobError:
            return None


def _spoken(error: Exception) -> str:
    """An error in a sentence; one that should not be, with its traceback on stderr."""
    if isinstance(error, JobError | ClusterError | WorkFailedError):
        return str(error)
    traceback.print_exc()
    return redacted(f"{type(error).__name__}: {error}")
