"""One storage, and the only place that builds the paths of a sweep's folder.

Whole files only: a reader sees a file as it was or as it is, never half of it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.disk import Disk, Files
from cluster.errors import ClusterError, StorageAwayError
from cluster.files import open_filesystem, path_on_filesystem, trying_once
from cluster.folder import Folder
from cluster.patience import Patience
from cluster.segments import Segment, missing, segments_of

if TYPE_CHECKING:  # it is not for a folder of this machine's, which is to be read at once
    from pyarrow import fs as pafs

_NAMES = ".names"
_MODEL = re.compile(r"model-(\d{6,})\.keras")


@dataclass(frozen=True)
class Storage:
    """A place that holds sweeps, each in the folder of its name; waited for with ``patience``.

    ``reach`` opens its file system, which may ask the network, when something is read or written for the
    first time.
    """

    reach: Callable[[], pafs.FileSystem] = field(repr=False, compare=False)
    root: str
    uri: str
    patience: Patience = field(default=Patience(), compare=False)

    @classmethod
    def open(cls, uri: str, patience: Patience = Patience()) -> Storage:  # noqa: B008 - frozen
        """The place that a path or URI means; nothing is asked or created yet.

        Raises:
            ClusterError: the URI cannot be used.
        """
        root = path_on_filesystem(uri)
        shown = uri.rstrip("/") if "://" in uri else root
        reach = cache(lambda: trying_once(open_filesystem(uri, patience)[0]))
        return cls(reach, root.rstrip("/"), shown, patience)

    @property
    def files(self) -> Files:
        """What is done with its files.

        Raises:
            ClusterError: its host refuses, or does not answer.
        """
        if self.local is not None:
            return Disk()
        from cluster.arrow import ArrowFiles

        return ArrowFiles(self.filesystem)

    @property
    def filesystem(self) -> pafs.FileSystem:
        """What it lies on, as Arrow has it.

        Raises:
            ClusterError: its host refuses, or does not answer.
        """
        return self.reach()

    @property
    def local(self) -> Path | None:
        """The folder, where it is one of this machine's."""
        here = "://" not in self.uri or self.uri.startswith("file:")
        return Path(self.root) if here else None

    def inside(self, relative: str) -> str:
        """The path or URI of what lies inside; a URI's options (``s3://bucket?region=…``) stay at its end."""
        if self.local is not None:
            return f"{self.uri.rstrip('/')}/{relative}"
        path, mark, options = self.uri.partition("?")
        return f"{path.rstrip('/')}/{relative}{mark}{options}"

    def sweep(self, name: str) -> SweepFolder:
        """The folder of one sweep, whether or not it is there."""
        return SweepFolder(self, name)

    def sweeps(self) -> list[SweepFolder]:
        """Every sweep, by name: a folder is one when it has a spec."""
        names = (self.sweep(name) for name in self._folders() if not name.startswith("."))
        return sorted((folder for folder in names if folder.exists()), key=lambda folder: folder.name)

    def names(self) -> Folder | None:
        """A file for each sweep, by its name, where the sweeps' folders cannot be listed without their files.

        Of the folders in a folder Arrow tells nothing on Google's store, where only files have names.
        """
        nameless = self.local is None and self.filesystem.type_name == "gcs"
        return Folder(self, _NAMES) if nameless else None

    def _folders(self) -> set[str]:
        names = self.names()
        if names is not None:
            return set(names.files(""))
        what = f"storage {self.uri} cannot be listed"
        return self.patience.attempt(lambda: self.files.folders(self.root), what)

    def exists(self) -> bool:
        """Whether there is a folder."""
        what = f"storage {self.uri} cannot be looked at"
        return self.patience.attempt(lambda: self.files.is_folder(self.root), what)

    def check_writable(self) -> None:
        """See that a file can be written and taken away again; leaves no folder that was not there.

        Raises:
            ClusterError: it cannot be written.
        """
        probe = f"{self.root}/.recur-probe-{secrets.token_hex(4)}"
        missing = self._missing_folders()

        def write() -> None:
            self.files.make_folder(self.root)
            self.files.write(probe, b"recur")
            self.files.delete(probe)

        try:
            self.patience.change(write, f"storage {self.uri} cannot be written", local=self.local is not None)
        except StorageAwayError:
            raise
        except ClusterError as error:
            raise ClusterError(f"{error}; choose another with --storage") from None
        finally:
            for folder in missing:
                if folder.is_dir() and not any(folder.iterdir()):
                    folder.rmdir()

    def _missing_folders(self) -> list[Path]:
        if self.local is None:
            return []
        return [folder for folder in (self.local, *self.local.parents) if not folder.exists()]


class SweepFolder(Folder):
    """One sweep's folder; every path inside it is built here and nowhere else."""

    SPEC = "spec.yaml"
    TRIALS = "trials.parquet"
    STOP = "stop.json"
    JOURNAL = "journal"
    SUMMARY = "journal/results.json"
    BEST = "best"
    LOGS = "logs"

    @classmethod
    def from_uri(cls, uri: str, patience: Patience = Patience()) -> SweepFolder:  # noqa: B008 - frozen
        """The sweep whose folder ``uri`` is."""
        path, mark, options = uri.partition("?") if "://" in uri else (uri, "", "")
        parent, slash, name = path.rstrip("/").rpartition("/")
        return Storage.open((parent or slash or ".") + mark + options, patience).sweep(name)

    def state(self, trial: str) -> str:
        """What a trial goes on from."""
        return f"checkpoints/{trial}/state.npz"

    def model(self, trial: str, epoch: int) -> str:
        """The model of a trial's best epoch; its name says which one that was."""
        return f"checkpoints/{trial}/model-{epoch:06d}.keras"

    def models(self) -> list[tuple[str, int]]:
        """The trial and the epoch of every model on storage, in one listing."""
        split = (path.partition("/") for path in self.tree("checkpoints"))
        matches = ((trial, _MODEL.fullmatch(name)) for trial, _, name in split)
        return sorted((trial, int(match[1])) for trial, match in matches if match)

    def models_of(self, trial: str) -> list[tuple[str, int]]:
        """The same for one trial."""
        matches = [_MODEL.fullmatch(name) for name in self.files(self.checkpoint(trial))]
        return [(trial, int(match[1])) for match in matches if match]

    def checkpoint_sizes(self) -> dict[str, int]:
        """Bytes of each trial's checkpoint, in one listing."""
        sizes: dict[str, int] = {}
        for path, size in self.tree("checkpoints").items():
            trial, slash, _ = path.partition("/")
            if slash:
                sizes[trial] = sizes.get(trial, 0) + size
        return sizes

    def checkpoint(self, trial: str) -> str:
        """The folder of a trial's state and model."""
        return f"checkpoints/{trial}"

    def log(self, trial: str) -> str:
        """What a trial printed."""
        return f"{self.LOGS}/{trial}.log"

    def segment(self, number: int) -> str:
        """A part of the journal."""
        return self.journal(Segment(number, number).name)

    def journal(self, file: str) -> str:
        """A file of the journal."""
        return f"{self.JOURNAL}/{file}"

    def segments(self) -> list[Segment]:
        """The parts of the journal that are to be read, in order.

        A folder of this machine's is listed until two looks agree: a file that is written, and one that it
        supersedes and that goes, may both be missed by a single one.  So is any that seems to have a hole.

        Raises:
            ClusterError: it cannot be listed, or one is missing.
        """
        found = self.files(self.JOURNAL)
        while (self.storage.local or missing(segments_of(found))) and found != (
            again := self.files(self.JOURNAL)
        ):
            found = again
        segments = segments_of(found)
        hole = missing(segments)
        if hole is not None:
            several = f" to {self.segment(hole.last)} are" if hole.last > hole.first else " is"
            raise ClusterError(
                f"sweep {self.name}: {self.segment(hole.first)}{several} missing from {self.uri}; restore "
                "what is missing from a copy, or begin again with --fresh"
            )
        return segments

    def best(self, file: str) -> str:
        """A file of the published best."""
        return f"{self.BEST}/{file}"

    def exists(self, relative: str = SPEC) -> bool:
        """Whether a file is there; by default, whether this is a sweep."""
        return super().exists(relative)

    def begin(self, spec: bytes) -> None:
        """Make it a sweep, or its job another.

        Raises:
            ClusterError: the storage does not take it.
        """
        names = self.storage.names()
        if names is not None:
            names.write(self.name, b"\n")  # before: a name without a sweep is passed over
        self.write(self.SPEC, spec)

    def remove(self) -> None:
        """Take the whole sweep away; its spec goes first, so that half of it is never taken for a sweep."""
        self.delete(self.SPEC)
        super().remove()
        names = self.storage.names()
        if names is not None:
            names.delete(self.name)
