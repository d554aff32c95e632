"""A real Slurm with two nodes, both this machine or each a host of its own; gone at the end."""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from cluster.processes import descendants, kill, wait_gone
from tests.cluster.head import free_ports
from tests.cluster.hosts import Hosts

_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
_CONF = """\
ClusterName=recur
SlurmctldHost={controller}
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
KillWait=10
SchedulerParameters=batch_sched_delay=0,sched_min_interval=100000
SlurmdParameters=config_overrides
NodeName=one {one} Port={ports[1]} State=UNKNOWN
NodeName=two {two} Port={ports[2]} State=UNKNOWN
PartitionName=main Nodes=one,two Default=YES MaxTime=INFINITE State=UP
"""
_HERE = {
    "controller": "localhost",
    "one": "NodeHostname=localhost NodeAddr=127.0.0.1 CPUs=2",
    "two": "NodeHostname=localhost NodeAddr=127.0.0.1 CPUs=2",
}
_APART = {
    "controller": "host1(10.77.0.1)",
    "one": "NodeHostname=host1 NodeAddr=10.77.0.1 CPUs=2",
    "two": "NodeHostname=host2 NodeAddr=10.77.0.2 CPUs=3",
}

Start = Callable[..., subprocess.Popen[bytes]]  # a program of Slurm's, with its options


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
    with _folder() as (folder, stack):
        yield _started(folder, stack, _HERE, {host: _start(folder) for host in (1, 2)})


@pytest.fixture
def slurm_apart(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slurm]:
    """Nodes ``one`` (two cores) on host 1, beside the controller, and ``two`` (three) on host 2."""
    with _folder() as (folder, stack):
        monkeypatch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        starts = {host: partial(hosts.run, host) for host in (1, 2)}
        yield _started(folder, stack, _APART, starts)


@contextmanager
def _folder() -> Iterator[tuple[Path, ExitStack]]:
    if any(shutil.which(program, path=_PATH) is None for program in _PROGRAMS):
        assert not os.environ.get("CI"), "Slurm is not installed; .ci/packages installs it"
        pytest.skip("needs Debian's slurm-wlm and munge")
    folder = Path(tempfile.mkdtemp(prefix="st-", dir="/tmp"))
    folder.chmod(0o755)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        yield folder, stack


@pytest.fixture
def slurm(_slurm: Slurm, monkeypatch: pytest.MonkeyPatch) -> Slurm:
    """Its programs find it, those of the code that is tested too."""
    monkeypatch.setenv("SLURM_CONF", str(_slurm.conf))
    monkeypatch.setenv("PATH", _PATH)
    return _slurm


def _started(folder: Path, stack: ExitStack, places: Mapping[str, str], starts: Mapping[int, Start]) -> Slurm:
    ports = free_ports(3)
    user = getpass.getuser()
    (folder / "state").mkdir()
    conf = folder / "slurm.conf"
    conf.write_text(_CONF.format(ports=ports, folder=folder, user=user, **places))
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(128))
    files = [f"--{name}-file={folder}/munge.{name}" for name in ("key", "pid", "log", "seed")]
    socket = f"--socket={folder}/munge.socket"
    _daemon(stack, _start(folder), "munged", "--foreground", "--force", socket, *files)
    while not (folder / "munge.socket").exists():
        time.sleep(0.05)
    _daemon(stack, starts[1], "slurmctld", "-D", "-i")
    for host, node in ((1, "one"), (2, "two")):
        _daemon(stack, starts[host], "slurmd", "-D", "-N", node)
    _wait_until_up(folder, starts[1])
    return Slurm(conf)


def _start(folder: Path) -> Start:
    """Starts a program on this machine."""

    def start(*command: str, stdout: int | None = None) -> subprocess.Popen[bytes]:
        with (folder / "daemons.log").open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stdout or log,
                stderr=log,
                env=environment(folder / "slurm.conf"),
                start_new_session=True,
            )

    return start


def _daemon(stack: ExitStack, start: Start, program: str, *options: str) -> None:
    path = shutil.which(program, path=_PATH)
    assert path is not None
    process = start(path, *options)

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


def _wait_until_up(folder: Path, start: Start) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        asked = start("sinfo", "--noheader", "--Node", "--format=%T", stdout=subprocess.PIPE)
        if asked.communicate(timeout=60)[0].split() == [b"idle", b"idle"]:
            return
        time.sleep(0.2)
    logs = "\n".join(path.read_text(errors="replace") for path in folder.glob("*.log"))
    pytest.fail(f"Slurm did not come up:\n{logs}")
