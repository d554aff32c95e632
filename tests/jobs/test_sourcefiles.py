"""Which files an import reads, and that they are of one kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.errors import JobError
from jobs.sourcefiles import find_files


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.CSV", "CSV"),
        ("a.csv.gz", "CSV"),
        ("table.txt", "CSV"),
        ("a.jsonl", "JSON lines"),
        ("a.ndjson.gz", "JSON lines"),
        ("a.json", "JSON lines"),
        ("a.feather", "Feather"),
        ("a.arrow", "Feather"),
        ("a.ipc", "Feather"),
        ("a.parquet", "Parquet"),
        ("a.pq", "Parquet"),
    ],
)
def test_the_name_tells_the_kind(tmp_path: Path, name: str, kind: str) -> None:
    make(tmp_path, name)

    assert find_files([str(tmp_path / name)], "/elsewhere") == (kind, [str(tmp_path / name)])


def test_a_folder_gives_its_tables_and_leaves_hidden_and_other_files(tmp_path: Path) -> None:
    make(tmp_path, "b/2.csv", "a.csv", ".a.csv", ".git/x.csv", "package.json", "notes.txt")

    assert find_files([str(tmp_path)], "/elsewhere")[1] == [f"{tmp_path}/a.csv", f"{tmp_path}/b/2.csv"]


def test_what_an_earlier_import_wrote_is_not_read_again(tmp_path: Path) -> None:
    make(tmp_path, "a.csv", "out/part-00000.parquet")

    assert find_files([str(tmp_path)], f"{tmp_path}/out") == ("CSV", [f"{tmp_path}/a.csv"])


def test_shards_can_be_divided_anew_in_their_place(tmp_path: Path) -> None:
    make(tmp_path, "part-00000.parquet")

    assert find_files([str(tmp_path)], str(tmp_path)) == ("Parquet", [f"{tmp_path}/part-00000.parquet"])


def test_folders_that_are_columns_are_refused_rather_than_lost(tmp_path: Path) -> None:
    make(tmp_path, "store=9/a.parquet")

    with pytest.raises(JobError) as error:
        find_files([str(tmp_path)], "/elsewhere")

    assert str(error.value) == (
        f"{tmp_path}: folders such as store=9 hold a column in their names, which an import does not read; "
        "a job reads them as they are if they hold Parquet (data.path)"
    )


def test_files_of_two_kinds_are_refused(tmp_path: Path) -> None:
    make(tmp_path, "a.csv", "b.feather")

    with pytest.raises(JobError) as error:
        find_files([str(tmp_path)], "/elsewhere")

    assert str(error.value) == (
        f"{tmp_path}/b.feather: Feather, and {tmp_path}/a.csv is CSV; import one kind at a time"
    )
