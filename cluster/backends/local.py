"""A sweep as a process of this machine that survives the terminal."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from cluster.backends.places import submission_folder, write_files
from cluster.backends.submission import JOB, Handle, Plan, Status, Submission
from cluster.clusters import LocalCluster
from cluster.errors import ClusterError
from cluster.processes import Process, descendants, find, kill, wait_gone

STARTED_SECONDS = 1.0
STOP_SECONDS = 30.0  # a sweep that is asked to end writes its journal and checkpoints first

# The shell outlives the sweep by a moment, to write down how it ended.  A trap, unlike an ignored signal, is
# not inherited: the sweep itself takes SIGTERM as usual.
_SUPERVISOR = """trap : TERM INT; "$@"; printf %s $? >"$0.new"; mv "$0.new" "$0" """


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
            folder.mkdir(parents=True, exist_ok=True)
            for leftover in ("exit", "stop"):
                (folder / leftover).unlink(missing_ok=True)
            write_files(folder, plan.files)
            process = _start(plan, folder)
        except OSError as error:
            raise ClusterError(f"{folder}: the sweep cannot be started: {error.strerror}") from None
        handle = Handle("local", plan.name, plan.storage, plan.target, _identity(process))
        (folder / "handle.json").write_text(json.dumps(asdict(handle)), encoding="utf-8")
        self._check_alive(handle)
        return handle

    def status(self, handle: Handle) -> Status:
        """Running, or how it ended.

        Raises:
            ClusterError: when it was submitted on another machine.
        """
        folder, process = Path(handle.target), _process(handle)
        running = process.alive()  # asked before the exit file is read: it may end in between
        try:
            code = int((folder / "exit").read_text(encoding="ascii"))
        except (OSError, ValueError):
            code = None
        asked = (folder / "stop").exists()
        if code == 0:
            return Status("done")
        if code is None and running:
            return Status("running")
        if asked or code in {130, 143}:
            return Status("stopped")
        return Status("failed", "it was killed" if code is None else f"it ended with exit code {code}")

    def logs(self, handle: Handle) -> str:
        """What it has printed, stdout and stderr in one."""
        return _log(Path(handle.target))

    def stop(self, handle: Handle) -> None:
        """SIGTERM to the sweep, and SIGKILL to what is left of it and its processes after 30 s.

        Raises:
            ClusterError: when it was submitted on another machine.
        """
        process = _process(handle)
        if not process.alive():
            return
        (Path(handle.target) / "stop").touch()
        family = descendants(process.pid)
        for sweep in family[:1]:  # not the whole group: Ray's processes are needed to end in good order
            with suppress(ProcessLookupError):  # it ended in between
                os.kill(sweep.pid, signal.SIGTERM)
        kill(wait_gone([process, *family], STOP_SECONDS))

    def forget(self, handle: Handle) -> None:
        """Nothing to do: its files go with what is known of the submission."""

    def _check_free(self, folder: Path) -> None:
        try:
            handle = _read_handle(folder)
        except (OSError, ValueError, TypeError):
            return  # never submitted, or cut off while it was written
        if self.status(handle).state == "running":
            pid = _process(handle).pid
            raise ClusterError(
                f"{handle.name}: it is running already as process {pid}; stop it first or wait for it"
            )

    def _check_alive(self, handle: Handle) -> None:
        deadline = time.monotonic() + STARTED_SECONDS
        while (status := self.status(handle)).state == "running" and time.monotonic() < deadline:
            time.sleep(0.02)
        if status.state in {"failed", "stopped"}:
            lines = _log(Path(handle.target)).strip().splitlines() or [status.message or "it said nothing"]
            log = Path(handle.target) / "log.txt"
            raise ClusterError(
                f"{handle.name}: the sweep ended at once: {lines[-1].strip()} (all of it: {log})"
            )


def _read_handle(folder: Path) -> Handle:
    return Handle(**json.loads((folder / "handle.json").read_text(encoding="utf-8")))


def _start(plan: Plan, folder: Path) -> Process:
    with (folder / "log.txt").open("wb") as log:
        started = subprocess.Popen(  # noqa: S603 - the plan's own command, no shell reads it
            ["/bin/sh", "-c", _SUPERVISOR, str(folder / "exit"), *plan.command],
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


def _process(handle: Handle) -> Process:
    host, pid, started = handle.id.split(" ")
    if host != socket.gethostname():
        raise ClusterError(f"{handle.name}: it was submitted on the machine {host}; ask there")
    return Process(int(pid), started)


def _log(folder: Path) -> str:
    try:
        return (folder / "log.txt").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
