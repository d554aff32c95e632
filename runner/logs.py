"""``recur logs``: what a submitted sweep has printed, or one of its trials."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import click

from cluster.errors import ClusterError, ElsewhereError
from cluster.folder import Folder
from cluster.lease import lease_holder
from cluster.references import redacted
from cluster.storage import SweepFolder
from jobs.names import NAME
from runner.launch import typed
from runner.show import print_json
from runner.submitted import Known, find_known

_LOOK_SECONDS = 1.0
_SELDOM_SECONDS = 5.0  # where nothing comes: a cluster may have to be asked for the whole log each time
_BEGIN_SECONDS = 120.0  # that a process may take until it holds the sweep
_LEAVE_SECONDS = 15.0  # the same from there to its end
_AWAY_SECONDS = 60.0  # that a cluster may be out of reach before following it is given up


@dataclass(frozen=True)
class _Log:
    """One log: all of it so far, and whether no more will come."""

    read: Callable[[], str]
    ended: Callable[[], bool]


def logs_command(
    *,
    sweep: str,
    storage: str | None,
    cluster_file: Path | None,
    trial: str | None,
    follow: bool,
    as_json: bool,
) -> None:
    """Carry out ``recur logs``.

    Raises:
        ClusterError: there is no such sweep or trial, or nobody here can ask for its log.
    """
    known = find_known(sweep, storage, cluster_file)
    log = _of_trial(known, trial, follow=follow) if trial else _of_sweep(known)
    if as_json:
        print_json({"sweep": known.folder.name, "trial": trial, "log": log.read()})
        return
    shown = _show(log.read(), 0)
    if follow:
        shown = _follow(log.read, log.ended, shown)
        if trial and not shown:
            raise _no_log(known.folder, trial)


def _of_sweep(known: Known) -> _Log:
    """From where it runs; from storage, where that has nothing to say any more or cannot be asked."""
    submitted, folder = known.submitted, known.folder
    if submitted is None:
        raise ClusterError(
            f"{folder.name} was not submitted: what it prints is where it was started; of one of its "
            f"trials see: recur logs {typed(folder)} --trial ID"
        )
    from cluster.submissions import DRIVER_LOG, submission_on

    beside = submission_on(folder.storage, folder.name)
    copy = _Log(_Growing(beside, DRIVER_LOG).read, lambda: _is_left(folder))
    try:
        said = submitted.log()
    except ClusterError:
        if not beside.exists(DRIVER_LOG):
            raise
        return copy
    if not said and beside.exists(DRIVER_LOG):
        return copy
    silent = _Silence(folder, submitted.time)

    def ended() -> bool:
        try:
            status = submitted.status()
        except ElsewhereError:
            return silent()
        return status is None or status.ended

    return _Log(submitted.log, ended)


class _Silence:
    """Whether a process of another machine has ended, which leaves its exit code unless it was killed."""

    def __init__(self, folder: SweepFolder, begun: float) -> None:
        """Of the sweep in that folder, submitted at that time."""
        self._folder, self._patience = folder, _BEGIN_SECONDS
        if time.time() - begun > _BEGIN_SECONDS:
            self._patience = _LEAVE_SECONDS
        self._since: float | None = None

    def __call__(self) -> bool:
        """Whether nobody has held the sweep for so long that nobody will."""
        if lease_holder(self._folder) is not None:
            self._since, self._patience = None, _LEAVE_SECONDS
            return False
        self._since = self._since or time.monotonic()
        return time.monotonic() - self._since > self._patience


def _of_trial(known: Known, trial: str, *, follow: bool) -> _Log:
    folder = known.folder
    to_come = follow and NAME.fullmatch(trial) is not None and not _is_over(known)
    if not to_come and not (known.exists and f"{trial}.log" in folder.files(folder.LOGS)):
        raise _no_log(folder, trial)
    return _Log(_Growing(folder, folder.log(trial)).read, lambda: _is_over(known))


def _no_log(folder: SweepFolder, trial: str) -> ClusterError:
    logs = folder.files(folder.LOGS) if folder.exists() else []
    have = ", ".join(name.removesuffix(".log") for name in logs[:5])
    return ClusterError(
        f"sweep {folder.name} has no log of a trial {trial!r}: "
        + (f"there are those of {have}" if have else "no trial has printed anything")
    )


def _is_left(folder: SweepFolder) -> bool:
    """Whether nobody runs the sweep."""
    return lease_holder(SweepFolder(folder.storage, folder.name)) is None


def _is_over(known: Known) -> bool:
    """Whether nobody runs the sweep, and none that was submitted will."""
    if not _is_left(known.folder):
        return False
    with suppress(ClusterError):  # a cluster that is gone runs nothing
        status = known.submitted.status() if known.submitted else None
        return status is None or status.ended
    return True


class _Growing:
    """A file on storage of which only what is new is read."""

    def __init__(self, folder: Folder, file: str) -> None:
        self._folder, self._file, self._read = folder, file, b""

    def read(self) -> str:
        """All of it; nothing where it is not there."""
        size = self._folder.size(self._file)
        if size < len(self._read):  # it has begun anew
            self._read = b""
        if size > len(self._read):
            self._read += self._folder.read_from(self._file, len(self._read))
        return self._read.decode(errors="replace")


def _follow(read: Callable[[], str], ended: Callable[[], bool], shown: int) -> int:
    """Print what comes until there is no more to come; a cluster that is away for a moment is waited for."""
    lost, pause = None, _LOOK_SECONDS
    while True:
        before = shown
        try:
            over = ended()  # asked before: what was printed last is not to be missed
            text = read()
        except ClusterError:
            lost = lost or time.monotonic()
            if time.monotonic() - lost > _AWAY_SECONDS:
                raise
            over = False
        else:
            shown = _show(text, shown)
            lost = None
        if over:
            return shown
        pause = _LOOK_SECONDS if shown != before else min(pause * 1.5, _SELDOM_SECONDS)
        time.sleep(pause)


def _show(text: str, shown: int) -> int:
    """Print what is new; all of it, where it has begun anew."""
    text = redacted(text)  # as a whole: a piece may begin in the middle of a secret
    start = shown if shown <= len(text) else 0
    click.echo(text[start:], nl=False)
    sys.stdout.flush()
    return len(text)
