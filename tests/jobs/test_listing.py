"""Which files a path names, and what a change of them shows in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobs.errors import JobError
from jobs.listing import find_shards
from jobs.source import Columns, Source
from tests.jobs.shard_files import LOCAL, ONE, good, refusal


def test_a_file_a_folder_and_a_glob_name_their_shards(tmp_path: Path) -> None:
    for name in ("a.parquet", "deep/er/b.parq", "deep/c.pq", "deep/notes.txt", "x[1]/d.parquet"):
        good(tmp_path / name)

    def found(path: str) -> list[str]:
        return [name.removeprefix(f"{tmp_path}/") for name in find_shards(LOCAL, f"{tmp_path}/{path}").paths]

    every = ["a.parquet", "deep/c.pq", "deep/er/b.parq", "x[1]/d.parquet"]
    assert (found(""), found("deep"), found("deep/")) == (every, every[1:3], every[1:3])
    assert (found("a.parquet"), found("deep/notes.txt")) == (["a.parquet"], ["deep/notes.txt"])
    assert (found("*.parquet"), found("deep/*/b.*")) == (["a.parquet"], ["deep/er/b.parq"])
    assert found("**/*.parquet") == ["a.parquet", "x[1]/d.parquet"]
    assert (found("x[1]"), found("deep/?.pq")) == (["x[1]/d.parquet"], ["deep/c.pq"])


def test_a_sweep_stored_beside_the_data_is_none_of_it(tmp_path: Path) -> None:
    for name in ("a.parquet", "sweeps/mine/trials.parquet", "sweeps.parquet"):
        good(tmp_path / name)
    (tmp_path / "sweeps/mine/spec.yaml").write_text("name: mine")

    found = [name.removeprefix(f"{tmp_path}/") for name in find_shards(LOCAL, str(tmp_path)).paths]
    assert found == ["a.parquet", "sweeps.parquet"]


def test_hidden_and_unfinished_files_are_not_read(tmp_path: Path) -> None:
    good(tmp_path / "a.parquet")
    for name in (".b.parquet", "_c.parquet", "_temporary/0/d.parquet", ".tmp/e.parquet"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("half")

    assert find_shards(LOCAL, str(tmp_path)).paths == [f"{tmp_path}/a.parquet"]


def test_a_place_where_nothing_is(tmp_path: Path) -> None:
    missing = tmp_path / "no"

    assert refusal(missing) == (
        f"data.path: {missing} does not exist; give a Parquet file, a folder of them or a glob"
    )
    assert refusal(f"{missing}/*.parquet") == f"data.path: no file matches {missing}/*.parquet"


def test_a_folder_without_parquet_files(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("t,y\n")
    (tmp_path / "b.txt").write_text("")

    assert refusal(tmp_path) == (
        f"data.path: no Parquet files (*.parquet) in {tmp_path}, which holds 2 other files; "
        "for CSV, JSON lines or Feather run: recur data import"
    )


def test_a_panels_key_is_of_its_shards_and_of_what_is_read(tmp_path: Path) -> None:
    shard = good(tmp_path / "a.parquet", x=[4, 5, 6])

    def key(columns: Columns = ONE) -> str:
        return Source.find(LOCAL, str(tmp_path), columns).key()

    first = key()
    assert key() == first
    others = {key(Columns("t", None, ("x",), ())), key(Columns("t", None, ("y",), (), (("x", ">", 4),)))}
    os.utime(shard, ns=(1, 1))
    others.add(key())
    good(tmp_path / "b.parquet")
    others.add(key())
    assert len(others - {first}) == 4


@pytest.mark.parametrize(("change", "what"), [("touch", "changed"), ("take", "vanished"), ("add", None)])
def test_shards_that_are_others_than_those_listed(tmp_path: Path, change: str, what: str | None) -> None:
    good(tmp_path / "a.parquet")
    shard = good(tmp_path / "b.parquet")
    source = Source.find(LOCAL, str(tmp_path), ONE)
    match change:
        case "touch":
            os.utime(shard, ns=(1, 1))
        case "take":
            shard.unlink()
        case _:
            good(tmp_path / "c.parquet")

    if what is None:
        source.check_unchanged()
        return
    with pytest.raises(JobError) as refused:
        source.check_unchanged()
    assert str(refused.value) == (
        f"shard {shard}: {what} while it was read; run again when it stays as it is"
    )
