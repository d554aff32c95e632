"""The script that ``sbatch`` is handed: what is asked of Slurm, the environment, one command."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence

from cluster.slurmcluster import SlurmCluster


def job_name(name: str) -> str:
    """What Slurm calls a sweep's job."""
    return f"recur-{name}"


def script(
    cluster: SlurmCluster, name: str, folder: str, command: Sequence[str], env: Mapping[str, str]
) -> str:
    """The whole script.

    Args:
        cluster: what to ask for.
        name: the sweep's.
        folder: the submission's, on every node; the script's own log goes there.
        command: runs the sweep, with ``{address}`` for the head's address.
        env: of every process.
    """
    requeue = "requeue" if cluster.requeue else "once"
    run = [interpreter(cluster), "-P", "-m", "cluster.allocation", folder, str(cluster.nodes), requeue]
    run += [str(cluster.notice), "--"]
    lines = [
        "#!/bin/bash",
        f"# Sweep {name}, by Recur: a Ray of its own over the nodes, and the sweep beside its head.",
        *(f"#SBATCH {option}" for option in _options(cluster, name, folder)),
        "",
        f"cd {shlex.quote(folder)} || exit 1",
        *(f"export {key}={shlex.quote(value)}" for key, value in sorted(env.items())),
        *cluster.setup,
        "",
        "# Ray's token is made when the job runs, in a file that only its user can read.",
        "# {address} becomes the head's.",
        f"exec {shlex.join([*run, *command])}",
        "",
    ]
    return "\n".join(lines)


def interpreter(cluster: SlurmCluster) -> str:
    """The Python that has Recur."""
    return cluster.python or sys.executable


def _options(cluster: SlurmCluster, name: str, folder: str) -> Iterator[str]:
    yield f"--job-name={job_name(name)}"
    yield f"--nodes={cluster.nodes}"
    yield "--ntasks-per-node=1"
    yield f"--cpus-per-task={cluster.cpus}" if cluster.cpus else "--exclusive"
    if cluster.gpus:
        kind = f"{cluster.gpu_type}:" if cluster.gpu_type else ""
        yield f"--gres=gpu:{kind}{cluster.gpus}"
    words = {
        "mem": cluster.memory,
        "time": cluster.time,
        "partition": cluster.partition,
        "account": cluster.account,
        "qos": cluster.qos,
        "constraint": cluster.constraint,
        "reservation": cluster.reservation,
    }
    yield from (f"--{option}={word}" for option, word in words.items() if word)
    yield f"--signal=B:TERM@{cluster.notice}"
    yield "--requeue" if cluster.requeue else "--no-requeue"
    yield "--open-mode=append"
    yield f"--output={_in_script(folder + '/log.txt')}"
    yield from cluster.options


def _in_script(path: str) -> str:
    """A path as a value of an option: a percent sign and a blank mean something to Slurm."""
    text = path.replace("%", "%%")
    return f'"{text}"' if " " in text else text
