"""One run of a schedule: its data looked at, its sweep carried out, its best model against the champion."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from cluster.errors import ClusterError, StorageAwayError
from cluster.scheduledocs import Record, Run, whoever
from jobs.errors import JobError
from jobs.panel import Panel
from jobs.parts import parts_of
from jobs.profile import Profile, drifts, newest_of, profile_of
from runner.data import fingerprint_of, open_job_panel
from runner.errors import WorkFailedError
from runner.launch import read_results, read_spec, warn
from runner.recurring.champion import crown
from runner.recurring.contest import Contest, hold_contest
from runner.recurring.desk import Desk, now
from runner.recurring.nightly import Nightly
from runner.recurring.overseer import Overseer
from runner.recurring.pointer import Champion, read_champion
from runner.recurring.sweeping import Where, carry_out_sweep
from runner.recurring.trust import check_trust
from runner.results import Results
from runner.show import clock
from runner.words import counted


@dataclass
class Execution:
    """A run and what has come of it.

    Attributes:
        where: its sweep is trained.
        trusted: see ``trust.check_trust``.
        force: to run it though there is nothing new in the data.
        records: what came of it so far.
    """

    desk: Desk
    run: Run
    where: Where
    trusted: str | None = None
    force: bool = False
    records: list[Record] = field(default_factory=list)

    def carry_out(self) -> list[Record]:
        """Do all of it; once more, it goes on where it was.

        Raises:
            JobError, ClusterError: the definition, the data or the storage cannot be used.
            WorkFailedError: the sweep found nothing.
            Interrupted, KeyboardInterrupt: a signal came.
        """
        began = time.monotonic()
        nightly = Nightly.of(self.desk, self.run)
        check_trust(self.desk.folder, nightly.given, self.trusted)
        panel = open_job_panel(nightly.job)
        if not nightly.sweep.exists():  # else all of this was looked at before
            if self._nothing_new(nightly, panel):
                return self.records
            self._check_drift(nightly, panel)
        results = self._sweep(nightly, panel)
        if results is None:
            return self.records
        decision = self._compare(nightly, panel)
        seconds = time.monotonic() - began
        self._record(
            "finished",
            f"{decision.event}, after {counted(len(results.trials), 'trial')} in {clock(seconds)}",
            decision=decision.event,
            seconds=round(seconds, 1),
            epochs_trained=results.epochs_trained(),
            trials=len(results.trials),
            **self._identity(panel),
        )
        return self.records

    def _record(self, event: str, reason: str, **more: Any) -> None:
        self.records.append(
            Record(now(), event, whoever(), reason, tick=self.run.tick, sweep=self.run.sweep, more=more)
        )

    def _identity(self, panel: Panel) -> dict[str, str]:
        """What has to differ for a run to be worth its while."""
        return {"fingerprint": fingerprint_of(panel), "definition": self.desk.folder.digest()}

    def _nothing_new(self, nightly: Nightly, panel: Panel) -> bool:
        """Whether the last run had the same data and the same job; that is recorded."""
        if self.force or nightly.given.schedule.unchanged == "run":
            return False
        records, _ = self.desk.folder.history()
        last = next((record for record in reversed(records) if record.event == "finished"), None)
        if last is None or not self._identity(panel).items() <= last.more.items():
            return False
        said = f"nothing is new in the data since {last.sweep} (their fingerprints are equal)"
        self._record("skipped", said)
        return True

    def _check_drift(self, nightly: Nightly, panel: Panel) -> None:
        """Look at how far the newest data are from the champion's.

        Raises:
            JobError: too far, and the job refuses to train on such data.
        """
        champion = read_champion(self.desk.folder)
        trained = self._profile(champion) if champion else None
        if champion is None or trained is None:
            return
        limits = nightly.given.schedule.drift
        found = drifts(trained, newest_of(panel, parts_of(nightly.job, panel)), limits)
        if not found:
            return
        said = f"the newest data are not as those that {champion.sweep} was trained on: {'; '.join(found)}"
        self._record("drift", said, columns=found)
        warn(said)
        if limits.refuse:
            raise JobError(f"{said}; nothing was trained (schedule.drift.refuse)")

    def _profile(self, champion: Champion) -> Profile | None:
        """What the champion was trained on; of one that was promoted by hand it is not written down.

        None where its data can be read no more.
        """
        if "profile" in champion.more:
            return Profile.from_json(champion.more["profile"])
        try:
            job = read_spec(self.desk.folder.storage.sweep(champion.sweep))
            panel = open_job_panel(job)
            return profile_of(panel, parts_of(job, panel))
        except StorageAwayError:
            raise
        except (JobError, ClusterError) as error:
            warn(f"the data that {champion.sweep} was trained on cannot be compared with: {error}")
            return None

    def _sweep(self, nightly: Nightly, panel: Panel) -> Results | None:
        """What the sweep has found; None where another run takes the place of this one.

        Raises:
            WorkFailedError: it found nothing.
        """
        with Overseer(self.desk.folder, nightly.sweep, nightly.given.schedule.time_limit) as overseer:
            if not overseer.replaced:
                carry_out_sweep(nightly, panel, self.where)
            replaced = overseer.replaced
        if replaced:
            self._record("replaced", "a later run takes its place (schedule.overlap: replace)")
            return None
        results = read_results(nightly.sweep)
        if overseer.why is not None and results.state != "done":
            warn(overseer.why)
        elif results.state != "done":
            raise WorkFailedError(f"sweep {self.run.sweep} is {results.state}, not done")
        if results.best() is None:
            raise WorkFailedError(f"no trial of {self.run.sweep} has a score{self._why(overseer)}")
        return results

    @staticmethod
    def _why(overseer: Overseer) -> str:
        return f": {overseer.why}" if overseer.why else ""

    def _compare(self, nightly: Nightly, panel: Panel) -> Record:
        """Have the sweep's best model take the champion's place if it is better; the record of that."""
        champion = read_champion(self.desk.folder)  # of now: somebody may have promoted one meanwhile
        if champion is None or champion.sweep != self.run.sweep:  # else a process before this one died then
            reigning = self.desk.folder.storage.sweep(champion.sweep) if champion else None
            contest = hold_contest(nightly.given, panel, nightly.sweep, reigning)
            if not contest.promoted:
                self._record("kept", contest.reason, contest=contest.to_json())
                return self.records[-1]
            champion = self._crown(nightly, panel, contest)
        self.records.append(champion.record())
        return self.records[-1]

    def _crown(self, nightly: Nightly, panel: Panel, contest: Contest) -> Champion:
        more = {
            "tick": self.run.tick.isoformat(),
            "profile": profile_of(panel, parts_of(nightly.job, panel)).to_json(),
            "fingerprint": fingerprint_of(panel),
            "as_of": nightly.job.data.as_of,
        }
        return crown(
            self.desk.folder,
            nightly.sweep,
            nightly.job,
            scores=contest.in_service(),
            why=contest.reason,
            by=whoever(),
            more=more,
        )
