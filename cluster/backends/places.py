"""Where the files of a submission lie on this machine."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from cluster.backends.submission import JOB
from cluster.errors import ClusterError
from cluster.files import check_unlinked, open_unlinked, refusing, replace_file

_UNREADABLE = re.compile(r"[^A-Za-z0-9._]+")
_READABLE = 60  # characters of a storage's end

SUBMISSIONS = ".submissions"  # in a storage, beside its sweeps


def state_folder(storage: str) -> Path:
    """What this user's own machine knows about a storage; nobody else writes there."""
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    # A URI may be longer than a name of a file may be.
    readable = _UNREADABLE.sub("-", storage)[-_READABLE:].strip("-")
    digest = hashlib.sha256(storage.encode()).hexdigest()[:16]
    return state / "recur" / "submissions" / f"{readable}-{digest}"


def submission_folder(storage: str, name: str) -> Path:
    """Where a submission's job file and log are: beside the sweeps, or in the user's state folder.

    The second is for storage that is no folder of this machine, such as ``s3://``.
    """
    if "://" not in storage:
        return Path(storage) / SUBMISSIONS / name
    return state_folder(storage) / name


def make_folder(storage: str, folder: Path) -> int:
    """Make a submission's folder, if it is not there.

    Returns:
        The rights that its files are to have: in the user's state folder they are the user's alone.

    Raises:
        ClusterError: beside the sweeps, a link leads elsewhere.
        OSError: it cannot be made.
    """
    if folder.is_relative_to(state_folder(storage)):
        make_private(folder)
        return 0o600
    if folder.is_relative_to(storage):
        check_unlinked(folder / JOB, Path(storage))
    folder.mkdir(parents=True, exist_ok=True)
    return 0o666


def make_private(folder: Path) -> None:
    """Make a folder and those that it lies in, as far as they are not there, for this user alone.

    Raises:
        OSError: it cannot be made.
    """
    for each in reversed([folder, *folder.parents]):
        if not each.exists():
            each.mkdir(mode=0o700, exist_ok=True)


def mark(path: Path) -> None:
    """Put an empty file there, if there is none.

    Raises:
        ClusterError: a link is in its place.
        OSError: it cannot be written.
    """
    os.close(open_unlinked(path, os.O_WRONLY | os.O_CREAT))


def write_files(folder: Path, files: Mapping[str, str], mode: int = 0o666) -> None:
    """Write files by their paths inside a folder, each whole and with these rights.

    Raises:
        ClusterError: one leads out of the folder, or cannot be written.
    """
    for relative, text in files.items():
        path = PurePosixPath(relative)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise ClusterError(f"{relative!r} leads out of the folder that is submitted; keep modules in it")
        check_unlinked(folder / path, folder)
        with refusing(f"{folder / path}: cannot be written"):
            replace_file(folder / path, text.encode(), mode)
