"""What a cluster file says of a Slurm cluster."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from cluster.clusters import ClusterModel

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._,:@/+-]*")  # what an option of sbatch takes, and no shell reads
_MEMORY = re.compile(r"[1-9]\d*[KMGT]?")
_TIME = re.compile(r"(\d+-)?\d+(:\d\d){0,2}")
_EXTRA = re.compile(r"--[a-z][a-z0-9-]*(=[A-Za-z0-9._,:@/+%=\[\]-]+)?")


class SlurmCluster(ClusterModel):
    """A Slurm cluster whose nodes share a file system, by ``sbatch``.

    Attributes:
        nodes: of the allocation; a Ray of the sweep's own runs over them.
        cpus, gpus, memory: of each node; without ``cpus`` whole nodes.
        time: limit of one run; the sweep is saved and queued again before it ends.
        python: the interpreter that has Recur, on every node; by default the one that submits.
        setup: lines of shell that are run first, such as ``module load``; what they set goes to every node.
        folder: a shared folder for the script, the job and its log; by default beside the sweeps.
        notice: seconds before a limit or a pre-emption at which Slurm tells the sweep to save.
        requeue: whether a run that was cut off is queued again.
        options: further options of sbatch.
    """

    backend: Literal["slurm"]
    nodes: int = Field(1, ge=1)
    cpus: int | None = Field(None, ge=1)
    gpus: int = Field(0, ge=0)
    gpu_type: str | None = None
    memory: str | None = None
    time: str | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    reservation: str | None = None
    python: str | None = None
    setup: tuple[str, ...] = Field((), strict=False)
    folder: str | None = None
    notice: int = Field(120, ge=10, le=3600)
    requeue: bool = True
    options: tuple[str, ...] = Field((), strict=False)

    @field_validator("gpu_type", "partition", "account", "qos", "constraint", "reservation")
    @classmethod
    def _one_word(cls, word: str | None) -> str | None:
        if word is not None and not _WORD.fullmatch(word):
            raise ValueError(f"{word!r} is no name that sbatch takes")
        return word

    @field_validator("memory")
    @classmethod
    def _is_an_amount(cls, memory: str | None) -> str | None:
        if memory is not None and not _MEMORY.fullmatch(memory):
            raise ValueError(f"{memory!r} is no amount of memory such as 16G")
        return memory

    @field_validator("time")
    @classmethod
    def _is_a_limit(cls, time: str | None) -> str | None:
        if time is not None and not _TIME.fullmatch(time):
            raise ValueError(f"{time!r} is no time limit such as 12:00:00 or 2-00:00:00")
        return time

    @field_validator("folder", "python")
    @classmethod
    def _is_absolute(cls, path: str | None) -> str | None:
        if path is not None and (not path.startswith("/") or "\n" in path):
            raise ValueError(f"{path!r} is no absolute path, which is the same on every node")
        return path

    @field_validator("setup")
    @classmethod
    def _are_lines(cls, setup: tuple[str, ...]) -> tuple[str, ...]:
        if any("\n" in line for line in setup):
            raise ValueError("each of its items is one line of shell")
        return setup

    @field_validator("options")
    @classmethod
    def _are_options(cls, options: tuple[str, ...]) -> tuple[str, ...]:
        for option in options:
            if not _EXTRA.fullmatch(option):
                raise ValueError(f"{option!r} is no option of sbatch such as --mail-type=FAIL")
        return options

    @model_validator(mode="after")
    def _has_time_to_run(self) -> Self:
        limit = _seconds(self.time) if self.time else 0  # which is none, for Slurm too
        if 0 < limit <= self.notice:
            raise ValueError(
                f"notice: {self.notice} s before a limit of {limit} s (time: {self.time}) the sweep would be "
                "told to leave as it begins, again and again; give a longer time or a shorter notice"
            )
        return self

    @property
    def cards(self) -> int:
        """GPUs of each node."""
        return self.gpus

    @property
    def shares_files(self) -> bool:
        """Its nodes share a file system with where jobs are submitted, as Slurm itself wants."""
        return True


def _seconds(time: str) -> int:
    """A limit as sbatch reads it: minutes, minutes:seconds, or with hours or days before them."""
    days, dash, rest = time.rpartition("-")
    parts = [int(part) for part in rest.split(":")]
    if dash:
        hours, minutes, seconds = (*parts, 0, 0)[:3]
    else:
        hours, minutes, seconds = {1: (0, *parts, 0), 2: (0, *parts), 3: tuple(parts)}[len(parts)]
    return int(days or 0) * 86400 + hours * 3600 + minutes * 60 + seconds
