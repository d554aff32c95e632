"""The same contract holds on a local path, on an object store, and on real servers of S3 and of Google's."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.errors import ClusterError
from cluster.storage import Storage, SweepFolder
from tests import gcs, s3
from tests.cluster.object_store import ObjectStore, open_object_store

NUMBERS = count()
REWRITES = 200
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}"
SIZE = 100_000  # bytes, more than any single write that a kernel keeps whole

READER = """
import json, sys
from cluster.storage import SweepFolder
folder = SweepFolder.from_uri(sys.argv[1])
seen, torn = set(), []
print("reading", flush=True)
while not folder.exists("stop"):
    data = folder.read("file")
    whole = len(data) == int(sys.argv[2]) and len(set(data)) == 1
    seen.add(data[0]) if whole else torn.append(len(data))
print(json.dumps({"seen": len(seen), "torn": torn}), flush=True)
"""

WRITER = """
import sys
from cluster.storage import SweepFolder
folder = SweepFolder.from_uri(sys.argv[1])
print("writing", flush=True)
while True:
    folder.write("file", bytes(int(sys.argv[2])))
"""


@pytest.fixture(scope="module")
def s3_port() -> Iterator[int]:
    with pytest.MonkeyPatch.context() as patch, s3.s3_server() as port:
        for name, value in s3.KEYS.items():
            patch.setenv(name, value)
        yield port


@pytest.fixture(scope="module")
def gcs_port() -> Iterator[int]:
    with gcs.gcs_server() as port:
        yield port


@pytest.fixture(params=["local", "objects", "s3", "gs"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """A place for sweeps of each kind, empty."""
    match request.param:
        case "local":
            return Storage.open(str(tmp_path / "sweeps"))
        case "objects":
            return open_object_store(ObjectStore())
        case "s3":
            return Storage.open(s3.uri(request.getfixturevalue("s3_port"), f"place-{next(NUMBERS)}"))
    return Storage.open(gcs.uri(request.getfixturevalue("gcs_port"), f"place-{next(NUMBERS)}"))


@pytest.fixture
def folder(storage: Storage) -> SweepFolder:
    return storage.sweep("a")


def put_sweep(storage: Storage, name: str) -> SweepFolder:
    folder = storage.sweep(name)
    folder.begin(b"name: x\n")
    folder.write(folder.model("00000", 1), b"model")
    return folder


def everything(root: Path) -> list[Path]:
    return sorted(root.rglob("*"))


def test_what_was_written_is_read_and_what_is_written_again_replaces_it(folder: SweepFolder) -> None:
    assert not folder.exists("deep/er/file")

    for data in (b"first, and longer", b"second", b""):
        folder.write("deep/er/file", data)

        assert folder.read("deep/er/file") == data
        assert folder.size("deep/er/file") == len(data)
        assert folder.exists("deep/er/file")
        assert folder.files("deep/er") == ["file"]


def test_json_comes_back_and_nothing_else_is_taken_for_it(folder: SweepFolder) -> None:
    document = {"a": [1, 2.5, None, True, "ä"], "b": {}}
    folder.write_json("x.json", document)
    folder.write("y.json", b"{")

    assert folder.read_json("x.json") == document
    with pytest.raises(
        ClusterError, match=rf"^{re.escape(folder.inside('y.json'))}: not valid JSON \(Expecting .*\)$"
    ):
        folder.read_json("y.json")
    with pytest.raises(ValueError, match="not JSON compliant"):
        folder.write_json("z.json", float("nan"))
    assert not folder.exists("z.json")


def test_a_file_that_is_not_there_is_named(folder: SweepFolder) -> None:
    with pytest.raises(
        ClusterError, match=rf"^{re.escape(folder.inside('spec.yaml'))}: cannot be read \(.+\)$"
    ):
        folder.read(folder.SPEC)


def test_files_lists_files_of_one_folder_in_order(folder: SweepFolder) -> None:
    for name in ("journal/000002.jsonl", "journal/000001.jsonl", "journal/deeper/000003.jsonl", "spec.yaml"):
        folder.write(name, b"x")

    assert folder.files("journal") == ["000001.jsonl", "000002.jsonl"]
    assert folder.files("") == ["spec.yaml"]
    assert folder.files("missing") == []


def test_delete_takes_a_file_a_folder_or_nothing_away(folder: SweepFolder) -> None:
    folder.write("spec.yaml", b"x")
    folder.write(folder.state("00001"), b"x")
    folder.write(folder.model("00001", 1), b"x")
    folder.write(folder.model("00002", 1), b"x")

    folder.delete(folder.state("00001"))
    assert (folder.exists(folder.state("00001")), folder.exists(folder.model("00001", 1))) == (False, True)
    folder.delete(folder.checkpoint("00001"))
    assert (folder.exists(folder.model("00001", 1)), folder.exists(folder.model("00002", 1))) == (False, True)
    folder.delete("missing")
    folder.delete("missing/too")
    assert folder.files("") == ["spec.yaml"]


def test_sweeps_lists_sweeps_by_name_and_nothing_else(storage: Storage) -> None:
    assert storage.sweeps() == []

    put_sweep(storage, "b")
    put_sweep(storage, "a")
    storage.sweep("notes").write("readme.txt", b"not a sweep")
    storage.sweep(".schedules").write("daily.json", b"{}")
    with storage.filesystem.open_output_stream(f"{storage.root}/spec.yaml") as stream:
        stream.write(b"beside the sweeps")

    assert [folder.name for folder in storage.sweeps()] == ["a", "b"]
    assert storage.sweeps()[0] == storage.sweep("a")


def test_remove_takes_one_sweep_away_and_leaves_the_others(storage: Storage) -> None:
    first, second = put_sweep(storage, "a"), put_sweep(storage, "b")

    first.remove()

    assert storage.sweeps() == [second]
    assert first.files("") == []
    assert first.files("checkpoints/00000") == []
    assert second.read(second.model("00000", 1)) == b"model"


def test_a_sweep_of_nothing_but_its_spec_can_be_removed(storage: Storage) -> None:
    folder = storage.sweep("a")
    folder.write(folder.SPEC, b"x")

    folder.remove()

    assert storage.sweeps() == []


def test_the_probe_leaves_nothing_behind(storage: Storage, tmp_path: Path) -> None:
    storage.check_writable()

    assert everything(tmp_path) == []
    assert storage.sweeps() == []


def test_the_probe_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "also" / "kept").mkdir(parents=True)

    Storage.open(str(tmp_path / "kept")).check_writable()
    Storage.open(str(tmp_path / "also" / "kept" / "new" / "newer")).check_writable()

    assert everything(tmp_path) == [tmp_path / "also", tmp_path / "also" / "kept", tmp_path / "kept"]


def test_a_storage_below_a_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    place = Storage.open(str(tmp_path / "file" / "sweeps"))

    with pytest.raises(ClusterError) as error:
        place.check_writable()

    assert str(error.value) == (
        f"storage {tmp_path}/file/sweeps cannot be written (Not a directory); choose another with --storage"
    )
    assert everything(tmp_path) == [tmp_path / "file"]
    with pytest.raises(ClusterError, match=rf"^{tmp_path}/file/sweeps/a/x: cannot be written \(.+\)$"):
        place.sweep("a").write("x", b"")


def test_a_storage_that_the_kernel_refuses_says_so() -> None:
    with pytest.raises(ClusterError) as error:
        Storage.open("/proc/sys/recur").check_writable()

    reason = os.strerror(13 if os.geteuid() else 1)
    shown = str(error.value).replace("No such file or directory", reason).replace("Permission denied", reason)
    assert shown == (f"storage /proc/sys/recur cannot be written ({reason}); choose another with --storage")


def test_a_scheme_that_cannot_be_opened_is_named() -> None:
    with pytest.raises(
        ClusterError, match=r"^nonsense://x/y: cannot be opened \(.+\); give a folder or another URI$"
    ):
        Storage.open("nonsense://x/y")


def test_a_relative_path_is_taken_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert Storage.open("sweeps").uri == str(tmp_path / "sweeps")
    assert SweepFolder.from_uri("a") == Storage.open(".").sweep("a")
    assert SweepFolder.from_uri("sweeps/a/") == Storage.open("sweeps").sweep("a")


@settings(deadline=None, max_examples=50)
@given(
    st.sampled_from(["/", "file:///"]),
    st.lists(st.sampled_from(["srv", "a b", "x.y", "data-1"]), min_size=1, max_size=3),
    st.from_regex(NAME, fullmatch=True),
)
def test_a_folders_uri_leads_back_to_it(start: str, parents: list[str], name: str) -> None:
    parents = [part.replace(" ", "_") if "://" in start else part for part in parents]
    folder = SweepFolder.from_uri(start + "/".join([*parents, name]))

    again = SweepFolder.from_uri(folder.uri)

    assert (again.uri, again.path("x")) == (folder.uri, folder.path("x"))
    assert folder.path("x") == "/" + "/".join([*parents, name, "x"])


def test_a_folder_directly_below_the_root_is_that_one() -> None:
    folder = SweepFolder.from_uri("/a")

    assert (folder.uri, folder.path("x")) == ("/a", "/a/x")


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    """Another process reads all the time while a file is rewritten."""
    folder = Storage.open(str(tmp_path)).sweep("a")
    folder.write("file", bytes([255]) * SIZE)
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, folder.uri, str(SIZE)], stdout=subprocess.PIPE, text=True
    )
    assert reader.stdout is not None
    with reader:
        assert reader.stdout.readline() == "reading\n"

        for number in range(REWRITES):
            folder.write("file", bytes([number]) * SIZE)
        folder.write("stop", b"")

        found = json.loads(reader.stdout.readline())
    assert found["torn"] == []
    assert found["seen"] > 5
    assert folder.files("") == ["file", "stop"]


def test_a_writer_that_is_killed_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    folder = Storage.open(str(tmp_path)).sweep("a")
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, folder.uri, str(20 * SIZE)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        while not folder.exists("file"):
            pass
        writer.send_signal(signal.SIGKILL)

    assert folder.read("file") == bytes(20 * SIZE)
    assert folder.files("") == ["file"]


@pytest.mark.parametrize("start", [0, 1, 5, 6, 100])
def test_the_end_of_a_file_is_read_by_itself(storage: Storage, start: int) -> None:
    folder = storage.sweep("a")
    folder.write("file", b"recur")

    assert folder.read_from("file", start) == b"recur"[start:]
    with pytest.raises(ClusterError, match="cannot be read"):
        folder.read_from("other", start)


def test_a_compressed_file_is_read_and_written_as_it_is(storage: Storage) -> None:
    """Arrow would go by its name."""
    folder = storage.sweep("a")
    data = gzip.compress(b"recur")
    folder.write("file.gz", data)

    assert (folder.read("file.gz"), folder.read_from("file.gz", 0)) == (data, data)
    assert folder.size("file.gz") == len(data)


@pytest.mark.parametrize(
    "path", ["../b/spec.yaml", "..", "x/../../b", "/etc/passwd", "x\\..\\y", "x\0y", "x\ny", "./x", "x/."]
)
def test_no_path_leads_out_of_the_folder(storage: Storage, path: str) -> None:
    folder, other = storage.sweep("a"), put_sweep(storage, "b")
    uses = [folder.read, folder.exists, folder.delete, folder.files, folder.tree]
    for use in [*uses, lambda path: folder.write(path, b""), lambda path: storage.sweep(path).remove()]:
        with pytest.raises(ClusterError) as error:
            use(path)

        assert str(error.value).startswith(f"{storage.uri}: {path!r} is no path inside a sweep's folder and ")
    assert other.read(other.SPEC) == b"name: x\n"


def test_a_file_that_is_larger_than_it_may_be_is_not_read(folder: SweepFolder) -> None:
    folder.write("x", bytes((1 << 20) + 1))

    with pytest.raises(ClusterError) as error:
        folder.read("x", limit=1 << 20)

    assert str(error.value) == (
        f"{folder.inside('x')} is larger than 1 MiB and is not read: no file of Recur's of that name is; "
        "restore it from a copy"
    )
    assert len(folder.read("x", limit=(1 << 20) + 1)) == (1 << 20) + 1
    assert folder.read_from("x", 1 << 20, limit=1) == b"\0"


def test_a_document_has_no_more_than_16_mib(tmp_path: Path) -> None:
    folder = Storage.open(str(tmp_path)).sweep("a")
    folder.write("x.json", b" " * (16 << 20) + b"1")
    folder.write("y.json", b" " * ((16 << 20) - 1) + b"1")

    with pytest.raises(ClusterError, match=r"x\.json is larger than 16 MiB and is not read: "):
        folder.read_json("x.json")

    assert folder.read_json("y.json") == 1


def test_a_document_that_is_nested_too_deeply_is_not_valid(folder: SweepFolder) -> None:
    folder.write("x.json", b"[" * 100_000)

    with pytest.raises(ClusterError, match=r"x\.json.*: not valid JSON \("):
        folder.read_json("x.json")


def test_several_files_are_put_at_once(folder: SweepFolder) -> None:
    files = {f"best/{number}": bytes([number]) * 1000 for number in range(20)}

    folder.write_several(files)

    assert folder.tree("best") == {name.removeprefix("best/"): 1000 for name in files}
    assert all(folder.read(name) == data for name, data in files.items())


def test_a_tree_holds_every_file_below_by_its_path(folder: SweepFolder) -> None:
    for name in ("checkpoints/00001/state.npz", "checkpoints/00001/model-000002.keras", "checkpoints/x", "y"):
        folder.write(name, b"xyz")

    assert folder.tree("checkpoints") == {"00001/state.npz": 3, "00001/model-000002.keras": 3, "x": 3}
    assert folder.tree("missing") == {}
    assert folder.checkpoint_sizes() == {"00001": 6}
    assert folder.models() == [("00001", 2)]


@pytest.mark.parametrize("planted", ["small", "small/checkpoints", "small/checkpoints/0001"])
def test_a_link_in_a_sweep_leads_no_change_elsewhere(tmp_path: Path, planted: str) -> None:
    mine = tmp_path / "mine"
    (mine / "0001").mkdir(parents=True)
    (mine / "0001" / "state.npz").write_text("mine")
    (mine / "state.npz").write_text("mine")
    folder = Storage.open(str(tmp_path / "sweeps")).sweep("small")
    link = tmp_path / "sweeps" / planted
    link.parent.mkdir(parents=True)
    link.symlink_to(mine)
    relative = "checkpoints/0001/state.npz"
    for change in (
        lambda: folder.write(relative, b"x"),
        lambda: folder.delete(relative),
        lambda: folder.open_local(relative, os.O_WRONLY | os.O_TRUNC),
    ):
        with pytest.raises(ClusterError, match=r"a link to elsewhere, and nothing is written there"):
            change()
    assert [path.read_text() for path in mine.rglob("state.npz")] == ["mine", "mine"]
    folder.storage.sweep("other").remove()


def test_a_link_in_a_files_place_is_replaced_and_not_opened(tmp_path: Path) -> None:
    folder = Storage.open(str(tmp_path / "sweeps")).sweep("small")
    (tmp_path / "mine").write_text("mine")
    for name in ("a", "b"):
        (tmp_path / "sweeps" / "small").mkdir(parents=True, exist_ok=True)
        (tmp_path / "sweeps" / "small" / name).symlink_to(tmp_path / "mine")
    folder.write("a", b"x")
    assert folder.read("a") == b"x"
    with pytest.raises(ClusterError, match=r"small/b is, or lies behind, a link to elsewhere"):
        folder.open_local("b", os.O_WRONLY | os.O_TRUNC)
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_storage_that_is_a_link_is_used(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "sweeps").symlink_to(tmp_path / "disk")
    folder = Storage.open(str(tmp_path / "sweeps")).sweep("small")
    folder.write("checkpoints/0001/state.npz", b"x")
    assert (tmp_path / "disk" / "small" / "checkpoints" / "0001" / "state.npz").read_bytes() == b"x"
