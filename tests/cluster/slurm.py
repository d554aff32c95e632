"""A real Slurm with two nodes, both of them this machine, gone without a trace at the end."""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from cluster.processes import descendants, kill, wait_gone
from tests.cluster.head import free_ports

_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
_CONF = """\
ClusterName=recur
SlurmctldHost=localhost
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SwitchType=switch/none
MpiDefault=none
JobRequeue=1
ReturnToService=2
KillWait=30
SchedulerParameters=batch_sched_delay=0,sched_min_interval=100000
NodeName=one NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 State=UNKNOWN
NodeName=two NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 State=UNKNOWN
PartitionName=main Nodes=one,two Default=YES MaxTime=INFINITE State=UP
"""


@dataclass(frozen=True)
class Slurm:
    conf: Path

    def __call__(self, *command: str) -> str:
        """What one of its programs prints."""
        asked = subprocess.run(
            command, check=True, capture_output=True, text=True, env=environment(self.conf), timeout=60
        )
        return asked.stdout


def environment(conf: Path) -> dict[str, str]:
    return os.environ | {"SLURM_CONF": str(conf), "PATH": _PATH}


@pytest.fixture(scope="session")
def _slurm() -> Iterator[Slurm]:
    if any(shutil.which(program, path=_PATH) is None for program in _PROGRAMS):
        assert not os.environ.get("CI"), "Slurm is not installed; .ci/packages installs it"
        pytest.skip("needs Debian's slurm-wlm and munge")
    folder = Path(tempfile.mkdtemp(prefix="st-", dir="/tmp"))
    folder.chmod(0o755)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        yield _started(folder, stack)


@pytest.fixture
def slurm(_slurm: Slurm, monkeypatch: pytest.MonkeyPatch) -> Slurm:
    """Its programs find it, those of the code that is tested too."""
    monkeypatch.setenv("SLURM_CONF", str(_slurm.conf))
    monkeypatch.setenv("PATH", _PATH)
    return _slurm


def _started(folder: Path, stack: ExitStack) -> Slurm:
    ports = free_ports(3)
    user = getpass.getuser()
    (folder / "state").mkdir()
    conf = folder / "slurm.conf"
    conf.write_text(_CONF.format(ports=ports, folder=folder, user=user))
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(128))
    files = [f"--{name}-file={folder}/munge.{name}" for name in ("key", "pid", "log", "seed")]
    _daemon(stack, folder, "munged", "--foreground", "--force", f"--socket={folder}/munge.socket", *files)
    while not (folder / "munge.socket").exists():
        time.sleep(0.05)
    _daemon(stack, folder, "slurmctld", "-D", "-i")
    for node in ("one", "two"):
        _daemon(stack, folder, "slurmd", "-D", "-N", node)
    slurm = Slurm(conf)
    _wait_until_up(slurm, folder)
    return slurm


def _daemon(stack: ExitStack, folder: Path, program: str, *options: str) -> None:
    path = shutil.which(program, path=_PATH)
    assert path is not None
    with (folder / "daemons.log").open("ab") as log:
        process = subprocess.Popen(
            [path, *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment(folder / "slurm.conf"),
            start_new_session=True,
        )

    def end() -> None:
        family = descendants(process.pid)
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        kill(wait_gone(family, 1))

    stack.callback(end)


def _wait_until_up(slurm: Slurm, folder: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            states = slurm("sinfo", "--noheader", "--Node", "--format=%T").split()
        except subprocess.CalledProcessError:
            states = []
        if states == ["idle", "idle"]:
            return
        time.sleep(0.2)
    logs = "\n".join(path.read_text(errors="replace") for path in folder.glob("*.log"))
    pytest.fail(f"Slurm did not come up:\n{logs}")
