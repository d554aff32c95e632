"""One process at a time runs a sweep, and a dead one does not count."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster import lease as lease_module
from cluster.errors import ClusterError
from cluster.folder import Folder
from cluster.lease import Lease, LeaseLostError, LeaseTakenError, holding, lease_holder
from cluster.storage import Storage, SweepFolder
from tests.s3 import KEYS, Faults, faulty_way, s3_server, uri

OWNER = "journal/owner.json"
HOLDER = """
import sys
from cluster.lease import Lease
from cluster.storage import SweepFolder
Lease(SweepFolder.from_uri(sys.argv[1])).take()
print("taken", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(storage: Storage) -> SweepFolder:
    return storage.sweep("a")


@pytest.fixture
def other(tmp_path: Path) -> Iterator[tuple[SweepFolder, subprocess.Popen[str]]]:
    """A sweep that another process of this machine is running."""
    folder = Storage.open(str(tmp_path)).sweep("a")
    command = [sys.executable, "-c", HOLDER, folder.uri]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "taken\n"
        yield folder, process


def change(folder: SweepFolder, **fields: Any) -> None:
    change_at(folder, OWNER, **fields)


def change_at(folder: Folder, file: str, **fields: Any) -> None:
    folder.write_json(file, folder.read_json(file) | fields)


def test_nobody_holds_a_sweep_before_it_is_taken_and_after_it_is_released(folder: SweepFolder) -> None:
    lease = Lease(folder)
    assert lease_holder(folder) is None

    lease.take()
    assert lease_holder(folder) == f"process {os.getpid()} on {socket.gethostname()}"

    lease.release()
    assert lease_holder(folder) is None
    lease.release()


def test_what_is_outdated_goes_before_anybody_sees_a_new_holder(folder: SweepFolder) -> None:
    folder.write_json(folder.STOP, {"of": "the holder before"})
    lease = Lease(folder)

    lease.take([folder.STOP, "never.there"])

    assert not folder.exists(folder.STOP)
    folder.write_json(folder.STOP, {"of": "this one"})
    with pytest.raises(ClusterError, match="is being run by"):
        Lease(folder).take([folder.STOP])
    assert folder.read_json(folder.STOP) == {"of": "this one"}


def test_taking_it_twice_names_the_holder(folder: SweepFolder) -> None:
    Lease(folder).take()

    with pytest.raises(ClusterError) as error:
        Lease(folder).take()

    assert str(error.value) == (
        f"sweep a is being run by process {os.getpid()} on {socket.gethostname()}; "
        "wait for it, stop it, or choose another --name"
    )


def test_the_next_holder_is_found_whose_sign_comes_while_there_is_none(
    folder: SweepFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was looked for between the two, and is there when it is asked whether it is."""
    exists = SweepFolder.exists

    def meanwhile(self: SweepFolder, path: str) -> bool:
        monkeypatch.undo()
        Lease(folder).take()
        return exists(self, path)

    monkeypatch.setattr(SweepFolder, "exists", meanwhile)
    assert str(os.getpid()) in str(lease_holder(folder))


def test_another_process_holds_it_until_it_ends(other: tuple[SweepFolder, subprocess.Popen[str]]) -> None:
    folder, process = other
    with pytest.raises(ClusterError, match=rf"^sweep a is being run by process {process.pid} on "):
        Lease(folder).take()

    assert process.stdin is not None
    process.stdin.close()
    process.wait()

    assert lease_holder(folder) is None  # although it never released it
    Lease(folder).take()


def test_a_killed_holder_is_no_holder_even_while_it_is_a_zombie(
    other: tuple[SweepFolder, subprocess.Popen[str]],
) -> None:
    folder, process = other

    os.kill(process.pid, signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # ended, and still in the process table

    assert lease_holder(folder) is None
    Lease(folder).take()
    assert lease_holder(folder) == f"process {os.getpid()} on {socket.gethostname()}"


def test_another_process_with_the_number_of_a_dead_one_is_no_holder(folder: SweepFolder) -> None:
    Lease(folder).take()

    change(folder, started=folder.read_json(OWNER)["started"] - 1)

    assert lease_holder(folder) is None


def test_a_number_that_nobody_has_is_no_holder(folder: SweepFolder) -> None:
    Lease(folder).take()

    change(folder, pid=2**22 + 1, started=None)

    assert lease_holder(folder) is None


@pytest.mark.parametrize(("age", "alive"), [(0, True), (55, True), (61, False), (86_400, False)])
def test_a_holder_on_another_host_lives_as_long_as_it_shows(
    folder: SweepFolder,
    age: float,
    alive: bool,  # noqa: FBT001
) -> None:
    Lease(folder).take()

    change(folder, host="elsewhere", time=time.time() - age)

    assert lease_holder(folder) == (f"process {os.getpid()} on elsewhere" if alive else None)


def test_a_sign_of_life_is_not_written_more_often_than_needed(folder: SweepFolder) -> None:
    lease = Lease(folder)
    lease.take()
    folder.delete(OWNER)

    lease.renew()

    assert not folder.exists(OWNER)


def silent_for(lease: Lease, seconds: float) -> None:
    lease._renewed -= seconds


def test_a_sign_of_life_is_renewed(folder: SweepFolder) -> None:
    lease = Lease(folder)
    lease.take()
    change(folder, time=1.0)
    silent_for(lease, 11)

    lease.renew()

    assert time.time() - folder.read_json(OWNER)["time"] < 5


def test_what_another_host_took_over_meanwhile_is_not_taken_back(folder: SweepFolder) -> None:
    """A machine that was suspended goes on as if nothing had been."""
    lease = Lease(folder)
    lease.take()
    silent_for(lease, 61)
    change(folder, host="elsewhere", pid=7)

    with pytest.raises(LeaseLostError) as error:
        lease.renew()

    assert str(error.value) == (
        "sweep a was taken over by process 7 on elsewhere while this one was silent; "
        "this one writes nothing more"
    )
    lease.release()
    assert lease_holder(folder) == "process 7 on elsewhere"


def test_a_host_that_changes_its_name_does_not_lose_it(
    folder: SweepFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = Lease(folder)
    lease.take()
    monkeypatch.setattr(socket, "gethostname", lambda: "renamed")

    lease.check()


def test_what_another_took_over_and_released_is_lost_too(folder: SweepFolder) -> None:
    lease = Lease(folder)
    lease.take()
    silent_for(lease, 61)
    folder.delete(OWNER)

    with pytest.raises(LeaseLostError) as error:
        lease.renew()

    assert str(error.value) == (
        f"{folder.inside(OWNER)} is gone: another process took this sweep over, or it was removed; "
        "this one writes nothing more"
    )
    assert not folder.exists(OWNER)


def test_a_storage_that_cannot_be_read_is_no_lost_lease(
    folder: SweepFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = Lease(folder)
    lease.take()
    silent_for(lease, 11)

    def away(*_: object) -> None:
        raise ClusterError("no route to host")

    with monkeypatch.context() as patch:
        patch.setattr(SweepFolder, "exists", away)
        with pytest.raises(ClusterError, match=r"^no route to host$") as error:
            lease.renew()
        assert not isinstance(error.value, LeaseLostError)
        lease.release()  # without a word, for there is another reason

    lease.renew()


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    folder = Storage.open(str(tmp_path)).sweep("a")
    folder.write("journal", b"a file in the place of the folder")

    with pytest.raises(ClusterError) as error:
        Lease(folder).take()

    assert str(error.value) == f"{folder.inside('journal/owner.lock')}: cannot be written (File exists)"


@pytest.fixture
def _short_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "_WATCH_SECONDS", 2.0)
    monkeypatch.setattr(lease_module, "_LOOK_SECONDS", 0.2)


@pytest.mark.usefixtures("_short_watch")
def test_a_holder_that_was_cut_off_and_shows_itself_again_keeps_its_sweep(folder: SweepFolder) -> None:
    Lease(folder).take()
    change(folder, host="elsewhere", time=time.time() - 120)
    back = threading.Timer(0.7, change, (folder,), {"time": time.time()})
    back.start()

    with pytest.raises(ClusterError, match=rf"^sweep a is being run by process {os.getpid()} on elsewhere; "):
        Lease(folder).take()

    back.join()
    assert folder.read_json(OWNER)["host"] == "elsewhere"


@pytest.mark.usefixtures("_short_watch")
@pytest.mark.parametrize(("age", "least", "most"), [(120, 2.0, 5.0), (1000, 0.0, 1.0)])
def test_a_holder_that_stays_silent_is_replaced(
    folder: SweepFolder, age: float, least: float, most: float
) -> None:
    Lease(folder).take()
    change(folder, host="elsewhere", time=time.time() - age)
    begun = time.monotonic()

    Lease(folder).take()

    assert least <= time.monotonic() - begun < most
    assert folder.read_json(OWNER)["host"] == socket.gethostname()


def test_after_a_long_silence_nothing_is_changed_unless_the_sweep_is_still_held(folder: SweepFolder) -> None:
    lease = Lease(folder)
    lease.take()
    lease.folder.write("first", b"")
    change(folder, host="elsewhere")
    lease.folder.write("second", b"")  # it was heard a moment ago
    silent_for(lease, 31)

    for use in (lambda: lease.folder.write("third", b""), lambda: lease.folder.delete("first")):
        with pytest.raises(LeaseLostError):
            use()

    assert folder.files("") == ["first", "second"]


def test_a_storage_that_refuses_to_say_who_runs_a_sweep_does_not_say_that_nobody_does() -> None:
    with pytest.MonkeyPatch.context() as patch, s3_server() as server:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        Lease(Storage.open(uri(server, "held")).sweep("a")).take()
        with faulty_way(server, Faults(lambda _: "403")) as port:
            folder = Storage.open(uri(port, "held")).sweep("a")
            for use in (lambda: lease_holder(folder), Lease(folder).take):
                with pytest.raises(ClusterError, match="ACCESS_DENIED"):
                    use()


def test_a_folder_may_have_several_each_called_by_what_it_is_the_right_to(storage: Storage) -> None:
    folder = Folder(storage, ".schedules/nightly")
    me = f"process {os.getpid()} on {socket.gethostname()}"
    with holding(folder, at="deciding", subject="schedule nightly") as lease, holding(folder, at="crowning"):
        assert lease_holder(folder, "deciding") == me
        assert folder.exists("deciding.json")
        with pytest.raises(LeaseTakenError) as error:
            Lease(folder, "deciding", "schedule nightly").take()
        assert str(error.value) == f"schedule nightly is being run by {me}; wait for it, or stop it"

        change_at(folder, "deciding.json", host="elsewhere", pid=7)
        with pytest.raises(LeaseLostError, match=r"^schedule nightly was taken over by process 7 "):
            lease.check()
        folder.delete("deciding.json")
        with pytest.raises(LeaseLostError, match="another process took schedule nightly over"):
            lease.check()
    assert lease_holder(folder, "crowning") is None


def test_of_two_that_ask_an_object_store_at_once_the_second_to_sign_is_sure(
    folder: SweepFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On this machine a lock sees to that, and nothing is waited for."""
    monkeypatch.setattr(lease_module, "_SURE_SECONDS", 0.4)
    first = Lease(folder)
    local = folder.storage.local is not None
    between = threading.Timer(0.1, change, (folder,), {"host": "elsewhere", "pid": 7})
    between.start()

    if local:
        first.take(sure=True)
    else:
        with pytest.raises(LeaseTakenError, match=r"^sweep a is being run by process 7 on elsewhere; "):
            first.take(sure=True)
    between.join()

    folder.delete(OWNER)
    Lease(folder).take(sure=True)
    assert lease_holder(folder) == f"process {os.getpid()} on {socket.gethostname()}"


@pytest.mark.parametrize("content", ["[]", "{}", '{"host": "x", "pid": "1", "started": 1, "time": 0}'])
def test_what_is_no_sign_of_life_is_named(folder: SweepFolder, content: str) -> None:
    folder.write(OWNER, content.encode())

    with pytest.raises(ClusterError) as error:
        Lease(folder).take()

    assert str(error.value) == (
        f"{folder.inside(OWNER)} does not say who runs the sweep, as Recur writes it there; delete it if "
        "nobody does"
    )
