"""What is known of the sweeps that were submitted, and by which cluster file.

How a submission is called where it runs stands beside the sweeps, for every machine that sees the storage.
Which cluster that is, with all that a cluster file may say, stands in the submitter's own state folder and is
believed from nowhere else: whoever can write to a storage must not choose what others run, or whom their
tokens are shown to.
"""

from __future__ import annotations

import getpass
import json
import math
import shutil
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from cluster.backends import Handle, Plan, Status, backend_for
from cluster.backends.places import SUBMISSIONS, make_private, state_folder, submission_folder
from cluster.backends.submission import NO_RECORD, is_word
from cluster.errors import ClusterError
from cluster.files import replace_file
from cluster.folder import Folder
from cluster.storage import Storage

if TYPE_CHECKING:
    from cluster.clusterfile import Cluster

DRIVER_LOG = "driver.log"  # on storage: what it has printed
_HANDLE = "submission.json"  # on storage
_RECORD = "record.json"  # in the state folder: the same with the cluster


@dataclass(frozen=True)
class Submitted:
    """A submission that is known.

    Attributes:
        cluster: where it was submitted to; None where this user's own records do not say.
        by: who submitted it, and on which machine.
        time: when, in seconds since 1970.
        files: its job file and modules, as far as this user's own records say.
    """

    handle: Handle
    cluster: Cluster | None
    by: str
    time: float
    files: Mapping[str, str] = field(default_factory=dict, repr=False)

    def status(self) -> Status | None:
        """How its process fares; None where nobody here can ask.

        Raises:
            ClusterError: its cluster cannot be asked at the moment.
        """
        return backend_for(self.cluster).status(self.handle) if self.cluster else None

    def log(self) -> str:
        """What it has printed.

        Raises:
            ClusterError: its cluster cannot be asked, or nobody here knows which that is.
        """
        return backend_for(self._known("show its log")).logs(self.handle)

    def stop(self) -> None:
        """End it, whether it runs or waits.

        Raises:
            ClusterError: as ``log``.
        """
        backend_for(self._known("stop it")).stop(self.handle)

    def forget(self) -> None:
        """Have its cluster forget it, as far as anybody here can ask it.

        Raises:
            ClusterError: its cluster cannot be asked at the moment.
        """
        if self.cluster:
            backend_for(self.cluster).forget(self.handle)

    def _known(self, purpose: str) -> Cluster:
        if self.cluster is None:
            raise ClusterError(
                f"{self.handle.name} was submitted to {self.handle.backend} as {self.handle.id} by "
                f"{self.by}; to {purpose} from here, give its cluster file with --cluster"
            )
        return self.cluster


def submit(plan: Plan, cluster: Cluster) -> Submitted:
    """Hand a plan to its cluster, and write down what became of it.

    Raises:
        ClusterError: the cluster refuses it, or the user's state folder cannot be written.
    """
    handle = backend_for(cluster).submit(plan)
    by = f"{getpass.getuser()} on {socket.gethostname()}"
    submitted = Submitted(handle, cluster, by, time.time(), plan.files)
    record = {"handle": asdict(handle), "by": by, "time": submitted.time}
    beside = _beside(handle.storage, handle.name)
    # A path that is not here may well be on the cluster; it is not for us to make one of that name.
    if cluster.shares_files or beside.storage.local is None or beside.storage.exists():
        with suppress(ClusterError):  # a bucket may be the cluster's alone
            beside.write_json(_HANDLE, record)
    folder = state_folder(handle.storage) / handle.name
    document = record | {
        "cluster": cluster.model_dump(mode="json", exclude_unset=True),
        "files": dict(plan.files),
    }
    try:
        make_private(folder)
        replace_file(folder / _RECORD, json.dumps(document, indent=2).encode(), 0o600)
    except OSError as error:
        raise ClusterError(
            f"{handle.name} runs as {handle.id}, but {folder} cannot be written: {error.strerror}; "
            "stop and ask for it with --cluster"
        ) from None
    return submitted


def find_submitted(storage: str, name: str, cluster: Cluster | None = None) -> Submitted | None:
    """The latest submission of a sweep; None where there was none.

    A ``cluster`` that is given is believed in place of this user's own record.

    Raises:
        ClusterError: the storage cannot be read, or what stands there is damaged.
    """
    own, known = _own(storage, name), None
    beside = _beside(storage, name)
    if beside.exists(_HANDLE):
        known = _read(beside.read_json(_HANDLE), beside.inside(_HANDLE))
    latest = known if known and (own is None or known.time > own.time) else own
    if latest is None:
        return None
    whose = cluster if cluster is not None else own.cluster if own and own.handle == latest.handle else None
    return Submitted(latest.handle, whose, latest.by, latest.time, own.files if own else {})


def submitted_names(storage: str) -> list[str]:
    """The names under which something was submitted, as far as is known here."""
    paths = Folder(Storage.open(storage), SUBMISSIONS).tree("")
    beside = (path.partition("/")[0] for path in paths if path.endswith(f"/{_HANDLE}"))
    state = state_folder(storage)
    own = [path.parent.name for path in state.glob(f"*/{_RECORD}")]
    return sorted({*beside, *own})


def submission_on(storage: Storage, name: str) -> Folder:
    """What a storage holds of a sweep's submissions."""
    return Folder(storage, f"{SUBMISSIONS}/{name}")


def forget(storage: str, name: str) -> None:
    """Take away all that is known of a sweep's submissions."""
    from cluster.slurmcluster import SlurmCluster

    with suppress(ClusterError):  # then it tells of no other folder either
        own = _own(storage, name)
        if own and isinstance(own.cluster, SlurmCluster):
            shutil.rmtree(own.handle.target, ignore_errors=True)
    _beside(storage, name).remove()
    for folder in {submission_folder(storage, name), state_folder(storage) / name}:
        shutil.rmtree(folder, ignore_errors=True)


def _beside(storage: str, name: str) -> Folder:
    return submission_on(Storage.open(storage), name)


def _own(storage: str, name: str) -> Submitted | None:
    path = state_folder(storage) / name / _RECORD
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        raise ClusterError(f"{path} cannot be read; take it away") from None
    from cluster.clusterfile import parse_cluster

    found = _read(raw, str(path))
    cluster = parse_cluster(raw.get("cluster"), source=str(path))
    return Submitted(found.handle, cluster, found.by, found.time, raw.get("files", {}))


def _read(raw: Any, source: str) -> Submitted:
    told = raw if isinstance(raw, dict) else {}
    handle, by, when = (told.get(key) for key in ("handle", "by", "time"))
    if not is_word(by) or not isinstance(when, int | float) or not math.isfinite(when):
        raise ClusterError(f"{source} {NO_RECORD}")
    return Submitted(Handle.read(handle, source), None, str(by), float(when))
