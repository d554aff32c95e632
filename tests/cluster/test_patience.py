"""What goes by is waited for, a refusal is not."""

from __future__ import annotations

import errno
import re
import socket
import time
from collections.abc import Callable

import pytest

from cluster.errors import ClusterError, StorageAwayError
from cluster.patience import Patience
from cluster.storage import Storage, SweepFolder
from tests.s3 import Faults, faulty_way, uri

GOES_BY = [
    OSError("AWS Error NETWORK_CONNECTION during HeadObject operation: curlCode: 7"),
    OSError("AWS Error UNKNOWN (HTTP status 500) during PutObject operation"),
    OSError("AWS Error UNKNOWN (HTTP status 429) during PutObject operation"),
    OSError("AWS Error SLOW_DOWN during PutObject operation"),
    OSError("google::cloud::Status(UNAVAILABLE: Retry policy exhausted)"),
]
STAYS = [
    FileNotFoundError(errno.ENOENT, "nothing there"),
    PermissionError(errno.EACCES, "not yours"),
    OSError("AWS Error ACCESS_DENIED during HeadObject operation"),
    OSError("AWS Error NO_SUCH_BUCKET during PutObject operation"),
    OSError("AWS Error UNKNOWN (HTTP status 400) during PutObject operation"),
    OSError("google::cloud::Status(PERMISSION_DENIED: Permanent error)"),
]


class Failing:
    """Fails with each of ``errors`` in turn, then does not."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.calls = list(errors), 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


@pytest.mark.parametrize("error", GOES_BY)
def test_what_goes_by_is_tried_again(error: OSError) -> None:
    operation, waits = Failing(error, error), list[int]()

    found = Patience(5.0, waiting=lambda: waits.append(1)).attempt(operation, "x cannot be read")

    assert (found, operation.calls, len(waits)) == ("done", 3, 2)


@pytest.mark.parametrize("error", STAYS)
def test_a_refusal_is_told_at_once(error: OSError) -> None:
    operation = Failing(error)

    with pytest.raises(ClusterError, match=r"^x cannot be read \(.+\)$") as said:
        Patience(5.0).attempt(operation, "x cannot be read")

    assert (operation.calls, isinstance(said.value, StorageAwayError)) == (1, False)


@pytest.mark.parametrize(
    ("code", "calls"), [(errno.ESTALE, 2), (errno.EIO, 2), (errno.ENOSPC, 1), (errno.EACCES, 1)]
)
def test_of_a_local_path_only_a_mounts_troubles_go_by(code: int, calls: int) -> None:
    operation = Failing(OSError(code, "trouble"))

    try:
        Patience(5.0).attempt(operation, "x cannot be read", local=True)
    except ClusterError:
        assert calls == 1

    assert operation.calls == calls


def test_what_stays_away_is_one_sentence_and_takes_no_longer_than_the_patience() -> None:
    begun = time.monotonic()
    with pytest.raises(StorageAwayError) as error:
        Patience(1.0).attempt(Failing(*GOES_BY * 20), "x cannot be read")

    assert time.monotonic() - begun < 1.5
    assert re.fullmatch(
        r"x cannot be read: the storage has not answered as it should for [01] s \(.+\); try again when it "
        r"is back: nothing that is on it is lost, and a sweep can be resumed",
        str(error.value),
    )


def test_without_patience_there_is_one_try() -> None:
    operation = Failing(*GOES_BY)

    with pytest.raises(StorageAwayError):
        Patience(0.0).attempt(operation, "x cannot be read")

    assert operation.calls == 1


def test_the_guard_is_asked_before_every_try_at_a_change(server: int) -> None:
    asked: list[int] = []

    def guard() -> None:
        asked.append(1)
        if len(asked) == 3:
            raise ClusterError("taken over")

    faults = Faults(lambda _: "500")
    with faulty_way(server, faults) as port:
        folder = SweepFolder.from_uri(uri(port, "guarded/a")).patient(Patience(10.0, guard=guard))
        with pytest.raises(ClusterError, match=r"^taken over$"):
            folder.write("x", b"")

    assert (len(asked), len(faults.done)) == (3, 2)


USES: dict[str, Callable[[SweepFolder], object]] = {
    "read": lambda folder: folder.read("x"),
    "read_from": lambda folder: folder.read_from("x", 1),
    "write": lambda folder: folder.write("x", b"new"),
    "exists": lambda folder: folder.exists("x"),
    "files": lambda folder: folder.files(""),
    "tree": lambda folder: folder.tree(""),
    "delete": lambda folder: folder.delete("x"),
    "sweeps": lambda folder: folder.storage.sweeps(),
    "is there": lambda folder: folder.storage.exists(),
    "check_writable": lambda folder: folder.storage.check_writable(),
}


@pytest.mark.parametrize("use", USES)
def test_every_use_of_s3_outlives_requests_that_fail(server: int, use: str) -> None:
    number = list(USES).index(use)
    SweepFolder.from_uri(uri(server, f"uses-{number}/a")).write("x", b"old")
    faults = Faults(lambda request: "500" if request < 2 else "ok")
    with faulty_way(server, faults) as port:
        USES[use](SweepFolder.from_uri(uri(port, f"uses-{number}/a")))

    assert faults.done[:3] == ["500", "500", "ok"]


@pytest.mark.parametrize("use", USES)
def test_what_s3_forbids_is_told_at_once(server: int, use: str) -> None:
    faults = Faults(lambda _: "403")
    with faulty_way(server, faults) as port, pytest.raises(ClusterError, match="ACCESS_DENIED") as error:
        USES[use](SweepFolder.from_uri(uri(port, "a/b")))

    assert not isinstance(error.value, StorageAwayError)
    assert len(faults.done) <= 2  # a folder is looked at first


def test_an_s3_that_hangs_holds_nobody_for_long(server: int) -> None:
    del server  # which has set the keys
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        folder = Storage.open(uri(mute.getsockname()[1], "x")).sweep("a").impatient()
        begun = time.monotonic()
        with pytest.raises(StorageAwayError):
            folder.read("x")

    assert time.monotonic() - begun < 12
