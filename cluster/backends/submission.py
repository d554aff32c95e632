"""What every backend takes and gives: a submission, the plan for it, the handle on what runs, its status."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from cluster.errors import ClusterError

State = Literal["pending", "running", "done", "failed", "stopped"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")

JOB = "job.yaml"  # the job's among a submission's files
NO_RECORD = "is no record of a submission; take it away"


@dataclass(frozen=True)
class Submission:
    """One sweep to be run somewhere else.

    Attributes:
        job: the job file's YAML, with data paths that hold there too.
        storage: a URI or an absolute path.
        arguments: go to ``recur run`` as they are.
        modules: the user's that the job names, by their paths from the job file's folder.
        data: the job's, a path or URI.
    """

    name: str
    job: str = field(repr=False)
    storage: str
    arguments: tuple[str, ...] = ()
    modules: Mapping[str, str] = field(default_factory=dict, repr=False)
    data: str | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ClusterError(
                f"{self.name!r} cannot name a sweep: use letters, digits and . _ -, at most 128"
            )

    def argv(self, program: Sequence[str], jobfile: str, *extra: str) -> list[str]:
        """The command that runs the sweep; ``program`` is what Recur is called where it runs."""
        sweep = ["--name", self.name, "--storage", self.storage]
        # Where the file waits others may write; what is handed over says which one it is.
        which = ["--submitted", hashlib.sha256(self.job.encode()).hexdigest()]
        return [*program, "run", jobfile, *sweep, *self.arguments, *extra, *which]

    def files(self) -> dict[str, str]:
        """The job file and what lies beside it, by relative path."""
        return {JOB: self.job, **self.modules}


@dataclass(frozen=True)
class Plan:
    """Everything a submission will do, before it does it.

    Attributes:
        target: a folder or an address.
        files: what is written or sent, by path from the submission's folder.
        env: what is added to the environment of every process.
        document: what the cluster is handed, as it is handed over; nothing where that is the command alone.
        notes: what whoever submits should know, a sentence each.
    """

    backend: str
    name: str
    storage: str
    target: str
    command: tuple[str, ...]
    files: Mapping[str, str] = field(repr=False)
    env: Mapping[str, str] = field(repr=False)
    document: str = field(default="", repr=False)
    notes: tuple[str, ...] = ()

    def describe(self) -> str:
        """What ``--dry-run`` prints beside the document; of the environment the names alone."""
        rows = [
            ("backend", self.backend),
            ("target", self.target),
            ("command", shlex.join(self.command)),
            ("environment", ", ".join(sorted(self.env)) or "nothing added"),
            *(("file", f"{path} ({len(text.encode())} bytes)") for path, text in self.files.items()),
        ]
        return "\n".join(f"{title:<12} {text}" for title, text in rows)


@dataclass(frozen=True)
class Handle:
    """Names one submitted sweep; plain data, so that it can be written down. ``id`` is the backend's own."""

    backend: str
    name: str
    storage: str
    target: str
    id: str

    @classmethod
    def read(cls, raw: Any, source: str) -> Self:
        """The handle that was written down as a mapping.

        Raises:
            ClusterError: it is none; ``source`` is where it stands.
        """
        names = cls.__dataclass_fields__
        if not isinstance(raw, dict) or not all(is_word(raw.get(name)) for name in names):
            raise ClusterError(f"{source} {NO_RECORD}")
        return cls(**{name: raw[name] for name in names})


def is_word(raw: Any) -> bool:
    """Whether it is text that may be shown on a terminal."""
    return isinstance(raw, str) and raw.isprintable()


@dataclass(frozen=True)
class Status:
    """How a submitted sweep's process fares (how the sweep itself fares, its journal says)."""

    state: State
    message: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing runs or will run any more."""
        return self.state in {"done", "failed", "stopped"}
