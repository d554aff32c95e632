"""Where the files of a submission lie on this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from cluster.errors import ClusterError
from cluster.files import refusing, replace_file

SUBMISSIONS = ".submissions"  # in a storage, beside its sweeps


def state_folder(storage: str) -> Path:
    """What this user's own machine knows about a storage; nobody else writes there."""
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return state / "recur" / "submissions" / quote(storage, safe="")


def submission_folder(storage: str, name: str) -> Path:
    """Where a submission's job file and log are: beside the sweeps, or in the user's state folder.

    The second is for storage that is no folder of this machine, such as ``s3://``.
    """
    if "://" not in storage:
        return Path(storage) / SUBMISSIONS / name
    return state_folder(storage) / name


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write files by their paths inside a folder, each whole.

    Raises:
        ClusterError: one leads out of the folder, or cannot be written.
    """
    for relative, text in files.items():
        path = PurePosixPath(relative)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise ClusterError(f"{relative!r} leads out of the folder that is submitted; keep modules in it")
        with refusing(f"{folder / path}: cannot be written"):
            replace_file(folder / path, text.encode())
