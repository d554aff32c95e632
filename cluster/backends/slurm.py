"""A sweep as a job of a Slurm cluster, with a Ray of its own over the nodes it is given."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from cluster.allocation import EXIT, STOP
from cluster.backends.places import make_folder, mark, submission_folder, write_files
from cluster.backends.sbatch import interpreter, job_name, script
from cluster.backends.submission import JOB, Handle, Plan, State, Status, Submission
from cluster.errors import ClusterError
from cluster.files import refusing
from cluster.slurmcluster import SlurmCluster

ANSWER_SECONDS = 30.0
STOP_SECONDS = 30.0  # a sweep that is asked to end writes its journal and checkpoints first
_SCRIPT, _LOG = "sweep.sbatch", "log.txt"
_WAITING_SECONDS = 120  # that a run waits for one before it, which Slurm has killed, to count as dead
_JOB = re.compile(r"\d+")

_STATES: Final[Mapping[str, State]] = {
    "PENDING": "pending",
    "CONFIGURING": "pending",
    "REQUEUED": "pending",
    "REQUEUE_FED": "pending",
    "REQUEUE_HOLD": "pending",
    "SPECIAL_EXIT": "pending",
    "RESV_DEL_HOLD": "pending",
    "RUNNING": "running",
    "COMPLETING": "running",
    "SIGNALING": "running",
    "STAGE_OUT": "running",
    "STOPPED": "running",
    "SUSPENDED": "running",
    "RESIZING": "running",
    "COMPLETED": "done",
    "CANCELLED": "stopped",
}


class SlurmBackend:
    """Writes job and script into a shared folder and hands the script to ``sbatch``."""

    def __init__(self, cluster: SlurmCluster) -> None:
        self._cluster = cluster

    def plan(self, submission: Submission) -> Plan:
        """The script and the files; touches nothing."""
        folder, env = self._folder(submission), self._cluster.environment()
        program = (interpreter(self._cluster), "-P", "-m", "runner.cli")
        extra = ("--address", "{address}", "--wait", str(_WAITING_SECONDS))
        command = submission.argv(program, f"{folder}/{JOB}", *extra)
        document = script(self._cluster, submission.name, folder, command, env)
        return Plan(
            backend="slurm",
            name=submission.name,
            storage=submission.storage,
            target=folder,
            command=("sbatch", f"{folder}/{_SCRIPT}"),
            files=submission.files() | {_SCRIPT: document},
            env=env,
            document=document,
        )

    def _folder(self, submission: Submission) -> str:
        if self._cluster.folder:
            return f"{self._cluster.folder.rstrip('/')}/{submission.name}"
        return str(submission_folder(submission.storage, submission.name))

    def submit(self, plan: Plan) -> Handle:
        """Queue it.

        Raises:
            ClusterError: Slurm refuses it or does not answer, it waits or runs already, or its folder cannot
                be written.
        """
        queued = _run("squeue", "--noheader", "--me", f"--name={job_name(plan.name)}", "--format=%i %T %o")
        for line in queued.splitlines():
            number, state, batch = line.split(" ", 2)
            if batch.strip() == plan.command[-1] and not _ended(state):
                raise ClusterError(
                    f"{plan.name}: it is running already as Slurm job {number} ({state.lower()}); "
                    "stop it first or wait"
                )
        folder = Path(plan.target)
        with refusing(f"{folder}: cannot be written"):
            mode = make_folder(plan.storage, folder)
            for leftover in (EXIT, STOP, _LOG):
                (folder / leftover).unlink(missing_ok=True)
        write_files(folder, plan.files, mode)
        said = _run("sbatch", "--parsable", plan.command[-1]).strip()
        number = said.partition(";")[0]
        if not _JOB.fullmatch(number):
            raise ClusterError(f"{plan.name}: sbatch gave no job's number but {said!r}; look at squeue")
        return Handle("slurm", plan.name, plan.storage, plan.target, number)

    def status(self, handle: Handle) -> Status:
        """What Slurm says of it, and the file that it leaves at its end.

        Raises:
            ClusterError: Slurm does not answer.
        """
        state, reason = _queued(handle)
        if state is not None and _STATES.get(state) in {"pending", "running"}:
            waits = f"Slurm job {handle.id} is {state.lower()}" + (f" ({reason})" if reason else "")
            return Status(_STATES[state], waits)
        folder = Path(handle.target)
        try:
            code = int((folder / EXIT).read_text(encoding="ascii"))
        except (OSError, ValueError):
            code = None
        if code == 0:
            return Status("done")
        if state == "CANCELLED" or (folder / STOP).exists() or code in {130, 143}:
            return Status("stopped")
        if code is not None:
            return Status("failed", f"it ended with exit code {code}")
        what = f"ended as {state.lower()}" if state else "is not known any more"
        return Status("failed", f"Slurm job {handle.id} {what}")

    def logs(self, handle: Handle) -> str:
        """What its script, its nodes and the sweep have printed."""
        try:
            return (Path(handle.target) / _LOG).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def stop(self, handle: Handle) -> None:
        """SIGTERM to the sweep, and the job's end when it has left or 30 s are over.

        Raises:
            ClusterError: Slurm does not answer, or the job is there still.
        """
        status = self.status(handle)
        if status.ended:
            return
        with refusing(f"{handle.target}: cannot be written"):
            mark(Path(handle.target) / STOP)
        if status.state == "running":
            _run("scancel", "--batch", "--signal=TERM", _number(handle), check=False)
            self._wait(handle, STOP_SECONDS)
        if not self.status(handle).ended:
            _run("scancel", _number(handle), check=False)
        if not self._wait(handle, STOP_SECONDS):
            raise ClusterError(
                f"{handle.name}: Slurm job {handle.id} was asked to end and has not; "
                f"see: squeue -j {handle.id}"
            )

    def forget(self, handle: Handle) -> None:
        """Nothing to do: Slurm forgets by itself, and its files go with what is known of the submission."""

    def _wait(self, handle: Handle, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not (ended := self.status(handle).ended) and time.monotonic() < deadline:
            time.sleep(0.3)
        return ended


def _queued(handle: Handle) -> tuple[str | None, str]:
    """The state of the job and why it waits; None where Slurm has forgotten it."""
    said = _run(
        "squeue", "--noheader", "--states=all", f"--jobs={_number(handle)}", "--format=%T %r", check=False
    )
    state, _, reason = said.strip().partition(" ")
    return (state or None), ("" if reason in {"None", "(null)"} else reason)


def _ended(state: str) -> bool:
    return _STATES.get(state) not in {"pending", "running"}


def _number(handle: Handle) -> str:
    if not _JOB.fullmatch(handle.id):
        raise ClusterError(f"{handle.name}: {handle.id!r} is no number of a Slurm job; submit it again")
    return handle.id


def _run(program: str, *arguments: str, check: bool = True) -> str:
    """One of Slurm's programs and what it prints.

    Raises:
        ClusterError: it is not there, does not answer, or (with ``check``) refuses.
    """
    path = shutil.which(program)
    if path is None:
        raise ClusterError(f"{program} is not on the PATH; submit from a machine that has Slurm's commands")
    try:
        done = subprocess.run(  # noqa: S603 - words, no shell
            [path, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ANSWER_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ClusterError(f"Slurm does not answer ({program}); see: scontrol ping") from None
    if done.returncode and (check or _unreachable(done.stderr)):
        raise ClusterError(f"{program}: {_last(done)}")
    return done.stdout


def _unreachable(words: str) -> bool:
    return "contact slurm controller" in words or "Unable to connect" in words


def _last(done: subprocess.CompletedProcess[str]) -> str:
    lines: Sequence[str] = (done.stderr or done.stdout).strip().splitlines()
    return lines[-1].removeprefix("sbatch: error: ") if lines else f"exit code {done.returncode}"
