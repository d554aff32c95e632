"""``python -m cluster.allocation -- COMMAND``: runs a sweep over the nodes of a Slurm job, from its script.

It starts a Ray of the job's own, with a token that nobody else knows, runs the command beside the head, and
takes everything down again.  SIGTERM, by which Slurm announces a limit or a pre-emption, is passed on: the
sweep saves and leaves, and the job is queued again, where the command goes on from storage.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType

from cluster.errors import ClusterError
from cluster.files import replace_file
from cluster.reach import check_reachable
from cluster.slurmnodes import head_address, slurm_program

EXIT, STOP = "exit", "stop"  # files: how the command ended, and that somebody asked it to
_BY_ITSELF = {0, 1, 2}  # how a sweep ends that has its end: any other code is of one that was cut off
_UP_SECONDS = 120.0
_LEAVE_SHARE = 0.7  # of the notice: that the sweep has to save and leave
_NODES_SHARE = 0.1  # the same: that Ray's nodes have to end, twice, since the head ends last
_NODES_SECONDS = 20.0  # at most
_PREFIX = ".token-"  # begins the name of the file that has Ray's token
_ADDRESS = "{address}"  # in the command: the head's


class Allocation:
    """One run of a Slurm job."""

    def __init__(self, folder: Path, nodes: int, *, requeue: bool, notice: float) -> None:
        """In the submission's folder, on that many nodes of which this is the first.

        ``notice`` is the time from Slurm's signal to the job's end, in seconds.
        """
        self._folder, self._nodes, self._requeue = folder, nodes, requeue
        self._notice = notice
        self._told = False
        self._running: subprocess.Popen[bytes] | None = None

    def run(self, command: Sequence[str]) -> int:
        """Run the command to its end; its exit code, which is written down before the job ends."""
        signal.signal(signal.SIGTERM, self._tell)
        (self._folder / EXIT).unlink(missing_ok=True)
        for leftover in self._folder.glob(f"{_PREFIX}*"):  # of a run that Slurm has killed
            leftover.unlink(missing_ok=True)
        # It may have been asked to end while it was not there to hear it: killed, and queued again by Slurm.
        code = 143 if self._asked_to_end() else self._carry_out(command)
        if self._told and code not in _BY_ITSELF and self._requeued():
            return code
        replace_file(self._folder / EXIT, str(code).encode())
        return code

    def _carry_out(self, command: Sequence[str]) -> int:
        """Run the command beside a Ray over all nodes."""
        with ExitStack() as stack:
            try:
                address = stack.enter_context(self._ray())
                return self._driver([word.replace(_ADDRESS, address) for word in command])
            except ClusterError as error:
                sys.stderr.write(f"Error: {error}\n")
                return 143 if self._told else 1

    def _asked_to_end(self) -> bool:
        with suppress(OSError):  # a storage that is away forbids no requeue
            return (self._folder / STOP).exists()
        return False

    def _tell(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._told = True
        if self._running is not None:
            self._running.send_signal(number)

    def _driver(self, command: Sequence[str]) -> int:
        if self._told:
            return 143
        with subprocess.Popen(command, cwd=self._folder) as running:  # noqa: S603 - the script's own
            self._running = running
            if self._told:
                running.terminate()
            deadline, leave = None, _LEAVE_SHARE * self._notice
            while running.poll() is None:
                time.sleep(0.1)
                deadline = deadline or (time.monotonic() + leave if self._told else None)
                if deadline and time.monotonic() > deadline:
                    running.kill()
            self._running = None
        return running.returncode if running.returncode >= 0 else 128 - running.returncode

    def _requeued(self) -> bool:
        """Have Slurm queue the job again, unless somebody wants it to end."""
        job = os.environ["SLURM_JOB_ID"]
        if not self._requeue or self._asked_to_end():
            return False
        asked = subprocess.run(  # noqa: S603 - Slurm's own
            [slurm_program("scontrol"), "requeue", job], capture_output=True, text=True, check=False
        )
        if asked.returncode:  # a pre-emption that Slurm itself follows by a requeue
            sys.stderr.write(f"not queued again by hand: {asked.stderr.strip()}\n")
        return asked.returncode == 0 or "requeue" in asked.stderr.lower()

    def _patience(self) -> float:
        """Seconds that each of Ray's nodes has to end."""
        return min(_NODES_SECONDS, _NODES_SHARE * self._notice) if self._told else _NODES_SECONDS

    @contextmanager
    def _ray(self) -> Iterator[str]:
        """A Ray over all nodes; gives the head's address."""
        job, host = os.environ["SLURM_JOB_ID"], head_address(self._nodes)
        token = self._folder / f"{_PREFIX}{job}-{secrets.token_hex(4)}"
        temp = Path(tempfile.gettempdir()) / f"recur-job-{job}-{secrets.token_hex(3)}"
        if len(str(temp)) > 45:
            temp = Path("/tmp") / temp.name  # noqa: S108 - a name of its own; Ray's sockets need a short one
        with ExitStack() as stack:
            stack.callback(token.unlink, missing_ok=True)
            descriptor = os.open(token, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_hex(32))
            os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
            os.environ.pop("RAY_AUTH_TOKEN", None)
            with socket.socket() as free:
                free.bind(("", 0))
                address = f"{host}:{free.getsockname()[1]}"
            stack.enter_context(self._keepers(address, temp))
            self._wait(address)
            yield address

    @contextmanager
    def _keepers(self, address: str, temp: Path) -> Iterator[None]:
        """A keeper (``cluster.node``) on every node, the head's on this one."""
        keeper = [sys.executable, "-P", "-m", "cluster.node"]
        where = [f"--address={address}", f"--temp={temp}"]
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, temp, ignore_errors=True)
            head = [*keeper, "head", *where, f"--ip={address.rpartition(':')[0]}"]
            stack.enter_context(_until_end(head, self._patience))
            if self._nodes > 1:
                count = self._nodes - 1
                others = [
                    slurm_program("srun"),
                    "--relative=1",
                    f"--nodes={count}",
                    f"--ntasks={count}",
                    "--quiet",
                ]
                # A step would bind its one task to one core, and end with the first of its nodes.
                others += [*_share(), "--cpu-bind=none", "--kill-on-bad-exit=0", "--no-kill"]
                join = ["join", f"--address={address}", f"--temp={temp}-n"]
                stack.enter_context(_until_end([*others, *keeper, *join], self._patience))
            yield

    def _wait(self, address: str) -> None:
        """Until the head listens.

        Raises:
            ClusterError: it does not, or the job is to end.
        """
        host, _, port = address.rpartition(":")
        deadline = time.monotonic() + _UP_SECONDS
        while True:
            with suppress(ClusterError):
                check_reachable(host, int(port), what="", hint="")
                return
            if self._told or time.monotonic() > deadline:
                raise ClusterError(f"Ray's head did not come up at {address} within {_UP_SECONDS:.0f} s")
            time.sleep(0.2)


@contextmanager
def _until_end(command: Sequence[str], patience: Callable[[], float]) -> Iterator[None]:
    """Runs beside the block, and is ended with it; killed when that takes longer than ``patience`` says."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True) as process:  # noqa: S603 - ours
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(patience())
            except subprocess.TimeoutExpired:
                process.kill()


def _share() -> list[str]:
    cores = os.environ.get("SLURM_CPUS_PER_TASK", "")
    return [f"--cpus-per-task={cores}"] if cores.isdecimal() else []


def main(arguments: Sequence[str]) -> int:
    """``FOLDER NODES REQUEUE NOTICE -- COMMAND…``, as the script of ``cluster.backends.sbatch`` says."""
    folder, nodes, requeue, notice, _, *command = arguments
    run = Allocation(Path(folder), int(nodes), requeue=requeue == "requeue", notice=float(notice))
    return run.run(command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
