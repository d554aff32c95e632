"""A sweep as a process of this machine that survives the terminal."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from cluster.backends.places import make_folder, mark, submission_folder, write_files
from cluster.backends.submission import JOB, Handle, Plan, Status, Submission
from cluster.clusters import LocalCluster
from cluster.errors import ClusterError, ElsewhereError
from cluster.files import open_unlinked, refusing
from cluster.processes import Process, descendants, find, kill, wait_gone

STARTED_SECONDS = 1.0
_EXIT, _STOP, _LOG, _HANDLE = "exit", "stop", "log.txt", "handle.json"
_LARGEST = 2**16  # bytes; no handle comes near
_ID = re.compile(r"(?P<host>\S+) (?P<pid>\d{1,9}) (?P<started>\S+)")
STOP_SECONDS = 30.0  # a sweep that is asked to end writes its journal and checkpoints first

# The shell outlives the sweep by a moment, to write down how it ended.  A trap, unlike an ignored signal, is
# not inherited: the sweep itself takes SIGTERM as usual.  With -C and -T no link is followed.
_SUPERVISOR = """\
trap : TERM INT; "$@"; code=$?
rm -f "$0.new"; set -C; printf %s $code >"$0.new"; mv -T "$0.new" "$0" """


class LocalBackend:
    """Runs ``python -m runner.cli run`` in a session of its own, with a log, a handle and an exit file."""

    def __init__(self, cluster: LocalCluster) -> None:
        self._cluster = cluster

    def plan(self, submission: Submission) -> Plan:
        """The command and the files; touches nothing."""
        folder = submission_folder(submission.storage, submission.name)
        jobfile = str(folder / JOB)
        return Plan(
            backend="local",
            name=submission.name,
            storage=submission.storage,
            target=str(folder),
            command=tuple(submission.argv((sys.executable, "-P", "-m", "runner.cli"), jobfile)),
            files=submission.files(),
            env=self._cluster.environment(),
        )

    def submit(self, plan: Plan) -> Handle:
        """Start the process and see that it lives.

        Raises:
            ClusterError: when it runs already, its folder cannot be written, or it dies within a second.
        """
        folder = Path(plan.target)
        self._check_free(folder)
        try:
            mode = make_folder(plan.storage, folder)
            for leftover in (_EXIT, _STOP, _LOG):
                (folder / leftover).unlink(missing_ok=True)
            write_files(folder, plan.files, mode)
            process = _start(plan, folder, mode)
        except OSError as error:
            raise ClusterError(f"{folder}: the sweep cannot be started: {error.strerror}") from None
        handle = Handle("local", plan.name, plan.storage, plan.target, _identity(process))
        write_files(folder, {_HANDLE: json.dumps(asdict(handle))}, mode)
        self._check_alive(handle)
        return handle

    def status(self, handle: Handle) -> Status:
        """Running, or how it ended.

        Raises:
            ElsewhereError: when it was submitted on another machine, and has not left its exit code.
            ClusterError: the handle names no process.
        """
        folder, (host, process) = Path(handle.target), _identified(handle)
        running = (
            host == socket.gethostname() and process.alive()
        )  # before the exit file: it may end in between
        code = _exit_code(folder)
        if code == 0:
            return Status("done")
        if code is None and running:
            return Status("running")
        if code is None and host != socket.gethostname():
            raise ElsewhereError(f"{handle.name}: it was submitted on the machine {host}; ask there")
        if (folder / _STOP).exists() or code in {130, 143}:
            return Status("stopped")
        return Status("failed", "it was killed" if code is None else f"it ended with exit code {code}")

    def logs(self, handle: Handle) -> str:
        """What it has printed, stdout and stderr in one.

        Raises:
            ClusterError: it lies on another machine.
        """
        host, _ = _identified(handle)
        log = Path(handle.target) / _LOG
        if host != socket.gethostname() and not log.exists():
            raise ClusterError(
                f"{handle.name}: it was submitted on the machine {host}, where its log is; ask there"
            )
        return _log(Path(handle.target))

    def stop(self, handle: Handle) -> None:
        """SIGTERM to the sweep, and SIGKILL to what is left of it and its processes after 30 s.

        Raises:
            ClusterError: when it was submitted on another machine.
        """
        host, process = _identified(handle)
        if host != socket.gethostname():
            raise ElsewhereError(f"{handle.name}: it was submitted on the machine {host}; ask there")
        if not process.alive():
            return
        with refusing(f"{handle.target}: cannot be written"):
            mark(Path(handle.target) / _STOP)
        family = descendants(process.pid)
        for sweep in family[:1]:  # not the whole group: Ray's processes are needed to end in good order
            with suppress(ProcessLookupError):  # it ended in between
                os.kill(sweep.pid, signal.SIGTERM)
        kill(wait_gone([process, *family], STOP_SECONDS))

    def forget(self, handle: Handle) -> None:
        """Nothing to do: its files go with what is known of the submission."""

    def _check_free(self, folder: Path) -> None:
        handle = _read_handle(folder)
        if handle is not None and self.status(handle).state == "running":
            pid = _identified(handle)[1].pid
            raise ClusterError(
                f"{handle.name}: it is running already as process {pid}; stop it first or wait for it"
            )

    def _check_alive(self, handle: Handle) -> None:
        deadline = time.monotonic() + STARTED_SECONDS
        while (status := self.status(handle)).state == "running" and time.monotonic() < deadline:
            time.sleep(0.02)
        if status.state in {"failed", "stopped"}:
            lines = _log(Path(handle.target)).strip().splitlines() or [status.message or "it said nothing"]
            log = Path(handle.target) / _LOG
            raise ClusterError(
                f"{handle.name}: the sweep ended at once: {lines[-1].strip()} (all of it: {log})"
            )


def _read_handle(folder: Path) -> Handle | None:
    """What was submitted last; None where nothing was.

    Raises:
        ClusterError: that is damaged.
    """
    path = folder / _HANDLE
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST)
    except OSError:
        return None
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        raw = None
    return Handle.read(raw, str(path))


def _exit_code(folder: Path) -> int | None:
    try:
        return int((folder / _EXIT).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _start(plan: Plan, folder: Path, mode: int) -> Process:
    new = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with os.fdopen(open_unlinked(folder / _LOG, new, mode), "wb") as log:
        started = subprocess.Popen(  # noqa: S603 - the plan's own command, no shell reads it
            ["/bin/sh", "-c", _SUPERVISOR, str(folder / _EXIT), *plan.command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | dict(plan.env),
            start_new_session=True,
        )
    process = find(started.pid)
    # Our own child would stay a zombie for as long as we live; somebody has to wait for it.
    threading.Thread(target=started.wait, daemon=True).start()
    # One that has ended already has no start time; its exit file speaks for it.
    return process or Process(started.pid, "ended")


def _identity(process: Process) -> str:
    return f"{socket.gethostname()} {process.pid} {process.started}"


def _identified(handle: Handle) -> tuple[str, Process]:
    """The machine that it was submitted on, and its process there.

    Raises:
        ClusterError: the handle names none.
    """
    found = _ID.fullmatch(handle.id)
    if found is None:
        raise ClusterError(
            f"{handle.name}: {handle.id!r} is no process of a machine, as Recur writes it; submit it again"
        )
    return found["host"], Process(int(found["pid"]), found["started"])


def _log(folder: Path) -> str:
    try:
        return (folder / _LOG).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
