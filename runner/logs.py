"""``recur logs``: what a submitted sweep has printed, or one of its trials."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import click

from cluster.errors import ClusterError, ElsewhereError
from cluster.lease import lease_holder
from cluster.references import redacted
from cluster.storage import SweepFolder
from runner.launch import typed
from runner.show import print_json
from runner.submitted import Known, find_known

_LOOK_SECONDS = 1.0
_BEGIN_SECONDS = 120.0  # that a process may take until it holds the sweep
_LEAVE_SECONDS = 15.0  # the same from there to its end
_AWAY_SECONDS = 60.0  # that a cluster may be out of reach before following it is given up


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
    read, ended = _of_trial(known, trial) if trial else _of_sweep(known)
    if as_json:
        print_json({"sweep": known.folder.name, "trial": trial, "log": redacted(read())})
        return
    shown = _show(read(), 0)
    if follow:
        _follow(read, ended, shown)


def _of_sweep(known: Known) -> tuple[Callable[[], str], Callable[[], bool]]:
    submitted = known.submitted
    if submitted is None:
        raise ClusterError(
            f"{known.folder.name} was not submitted: what it prints is where it was started; of one of its "
            f"trials see: recur logs {typed(known.folder)} --trial ID"
        )

    silent = _Silence(known.folder, submitted.time)

    def ended() -> bool:
        try:
            status = submitted.status()
        except ElsewhereError:
            return silent()
        return status is None or status.ended

    return submitted.log, ended


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


def _of_trial(known: Known, trial: str) -> tuple[Callable[[], str], Callable[[], bool]]:
    folder = known.folder
    logs = folder.files(folder.LOGS) if known.exists else []
    if f"{trial}.log" not in logs:
        have = ", ".join(name.removesuffix(".log") for name in logs[:5])
        raise ClusterError(
            f"sweep {folder.name} has no log of a trial {trial!r}: "
            + (f"there are those of {have}" if have else "no trial has printed anything")
        )
    return (
        lambda: folder.read(folder.log(trial)).decode(errors="replace"),
        lambda: lease_holder(SweepFolder(folder.storage, folder.name)) is None,
    )


def _follow(read: Callable[[], str], ended: Callable[[], bool], shown: int) -> None:
    """Print what comes until there is no more to come; a cluster that is away for a moment is waited for."""
    lost: float | None = None
    while True:
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
            return
        time.sleep(_LOOK_SECONDS)


def _show(text: str, shown: int) -> int:
    """Print what is new; all of it, where it has begun anew."""
    text = redacted(text)
    start = shown if shown <= len(text) else 0
    click.echo(text[start:], nl=False)
    sys.stdout.flush()
    return len(text)
