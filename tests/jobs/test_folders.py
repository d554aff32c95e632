"""A folder appears whole or not at all, and what was there comes back."""

from __future__ import annotations

import signal
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyarrow import fs as pafs

from jobs.errors import JobError
from jobs.importing import import_files
from tests.jobs.csvs import GOOD, LOCAL, imported, write
from tests.jobs.full_disk import FullDisk


def test_a_folder_that_is_not_empty_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    imported(tmp_path, GOOD)
    before = (tmp_path / "out" / "part-00000.parquet").read_bytes()

    with pytest.raises(JobError) as error:
        imported(tmp_path, GOOD + "2024-01-03,a,3\n")

    found = f"{tmp_path}/out: the folder is not empty; give another one, or --replace to replace it"
    assert str(error.value) == found
    assert (tmp_path / "out" / "part-00000.parquet").read_bytes() == before


def test_shards_are_replaced_as_a_whole_when_asked(tmp_path: Path) -> None:
    imported(tmp_path, GOOD, rows_per_shard=1)

    table = imported(tmp_path, "date,y\n2024-01-03,4\n", replace=True)

    assert table["y"].to_pylist() == [4.0]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["part-00000.parquet"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "out"]


def test_replacing_never_removes_what_no_import_wrote(tmp_path: Path) -> None:
    imported(tmp_path, GOOD)
    write(tmp_path / "out" / "thesis.docx", "years of work")

    with pytest.raises(JobError) as error:
        imported(tmp_path, GOOD, replace=True)

    found = f"{tmp_path}/out: holds 'thesis.docx', which is not replaced; take it away or give another folder"
    assert str(error.value) == found
    assert (tmp_path / "out" / "thesis.docx").exists()


def test_an_empty_folder_is_taken_and_a_file_is_not(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert imported(tmp_path, GOOD).num_rows == 2

    with pytest.raises(JobError) as error:
        import_files([str(tmp_path / "a.csv")], str(tmp_path / "a.csv"), LOCAL)

    assert str(error.value) == f"{tmp_path}/a.csv: is a file; give a folder that does not exist yet"


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path / "a.csv", GOOD)

    with pytest.raises(JobError, match=r"a\.csv/out: cannot be written \(.*Not a directory"):
        import_files([source], f"{source}/out", LOCAL)
    with pytest.raises(JobError, match=r"^/: not a folder that can be made; give one inside it$"):
        import_files([source], "/", LOCAL)


@pytest.mark.parametrize("replace", [False, True])
def test_an_interrupted_import_leaves_nothing_of_its_own(tmp_path: Path, *, replace: bool) -> None:
    source = write(tmp_path / "b.csv", GOOD)
    if replace:
        imported(tmp_path, GOOD)
    before = sorted(tmp_path.rglob("*"))

    def press_control_c(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    out = tmp_path / "out" if replace else tmp_path / "not" / "yet" / "out"
    with pytest.raises(KeyboardInterrupt):
        import_files([source], str(out), LOCAL, replace=replace, progress=press_control_c)

    assert sorted(tmp_path.rglob("*")) == before


def test_the_old_shards_come_back_if_the_new_ones_cannot_take_their_place(tmp_path: Path) -> None:
    before = imported(tmp_path, GOOD)
    source = write(tmp_path / "a.csv", "date,y\n2024-01-03,4\n")

    with pytest.raises(JobError) as error:
        import_files([source], str(tmp_path / "out"), pafs.PyFileSystem(FullDisk()), replace=True)

    assert str(error.value) == f"{tmp_path}/out: cannot be written (No space left on device)"
    assert pq.read_table(tmp_path / "out").equals(before)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "out"]


def test_a_folder_filled_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    source, out = write(tmp_path / "a.csv", "date,x\n2024-01-01,1\n"), tmp_path / "new" / "out"

    def someone_else(*_: object) -> None:
        out.mkdir(exist_ok=True)
        write(out / "theirs.txt", "x")

    with pytest.raises(JobError, match=r"out: cannot be written \(.*not empty"):
        import_files([source], str(out), LOCAL, progress=someone_else)

    assert [path.name for path in out.parent.rglob("*")] == ["out", "theirs.txt"]
