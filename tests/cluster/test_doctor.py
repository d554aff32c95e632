"""What the doctor finds on real nodes, and what it makes of facts that cannot be had here."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from cluster import doctor
from cluster.checkup import Asked, Facts, examine
from cluster.doctor import Examined, examine_cluster, examine_here, notes, problems
from cluster.errors import ClusterError
from cluster.probe import takes_any_token
from tests.cluster.cards import CARDS, pretend
from tests.cluster.head import Head, running_head

WELL = Facts(
    host="one",
    python="3.11.7",
    packages={"ray": "2.60.0", "keras": "3.15.1"},
    clock=0.0,
    cpus=8,
    memory=32 * 10**9,
    disk=50 * 10**9,
    cache=50 * 10**9,
    shm=10**9,
    gpus=("NVIDIA L4",),
    busy=(),
)


def judged(second: Facts | None, *, offset: float = 0.0, gpu: float = 0.0) -> list[str]:
    return problems([Examined("one", WELL), Examined("two", second, offset)], gpu)


def test_nodes_that_are_alike_and_well_have_no_problem() -> None:
    assert judged(replace(WELL, host="two"), offset=1.0, gpu=1.0) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"python": "3.12.1"}, "Python is 3.11.7 on one, 3.12.1 on two; install the same on every node"),
        (
            {"packages": {"ray": "2.59.0", "keras": "3.15.1"}},
            "ray is 2.59.0 on two, 2.60.0 on one; install the same on every node",
        ),
        (
            {"packages": {"ray": "2.60.0"}},
            "keras is 3.15.1 on one, missing on two; install the same on every node",
        ),
        ({"disk": 10**9}, "two: 1.0 GB of its disk are free for temporary files; make room for 2 GB"),
        ({"cache": 0}, "two: 0.0 GB are free for its cache; make room, or move it by RECUR_CACHE"),
        (
            {"shm": 64 * 10**6},
            "two: 64 MB of its shared memory are free; give it 200 MB (docker: --shm-size)",
        ),
        ({"busy": ("NVIDIA L4",)}, "two: its NVIDIA L4 is in use by others; end what runs on it"),
        ({"problems": ("it rains",)}, "two: it rains"),
    ],
)
def test_what_is_wrong_with_a_node_is_one_sentence(change: dict[str, object], said: str) -> None:
    assert judged(replace(WELL, **change)) == [said]  # type: ignore[arg-type]


@pytest.mark.parametrize(("offset", "how"), [(90.0, "90 s ahead of"), (-6.0, "6 s behind")])
def test_a_clock_that_is_off_is_said(offset: float, how: str) -> None:
    assert judged(WELL, offset=offset) == [f"two: its clock is {how} this machine's; have NTP set it"]


def test_a_job_for_cards_where_there_are_none_is_said() -> None:
    found = [Examined("one", replace(WELL, gpus=()))]
    assert problems(found, 0.5) == [
        "resources.gpu: a trial asks for 0.5 of a GPU and no node has one; write gpu: 0"
    ]


def test_a_node_without_a_card_is_noted_where_others_have_one() -> None:
    found = [Examined("one", WELL), Examined("two", replace(WELL, gpus=()))]
    assert (problems(found, 0.5), notes(found, 0.0)) == ([], [])
    assert notes(found, 0.5) == ["two: it has no GPU, so no trial goes there"]


def test_this_machine_is_looked_at_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in ("a.parquet", "_metadata", ".hidden.parquet", "b.parquet"):
        pq.write_table(pa.table({"x": [1.0]}), tmp_path / "data" / name)
    found = examine_here(str(tmp_path / "sweeps"), str(tmp_path / "data"))
    assert problems(found, 0.0) == []
    assert found[0].facts is not None
    assert (found[0].facts.checks, found[0].facts.shards) == ({"storage": True, "data": True}, 2)
    assert found[0].facts.python == ".".join(map(str, sys.version_info[:3]))
    assert not (tmp_path / "sweeps").exists()


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (lambda folder: None, "is not there; put the shards where every node sees them"),  # noqa: ARG005
        (lambda folder: folder.mkdir(), "is not there; put the shards where every node sees them"),
        (lambda folder: write(folder, b"PAR1 cut off"), "a.parquet is no whole Parquet file"),
        (lambda folder: write(folder, b"PAR1 no footer PAR1"), "a.parquet is no whole Parquet file"),
        (lambda folder: write(folder, b""), "a.parquet is no whole Parquet file"),
    ],
)
def test_data_that_cannot_be_read_is_said(tmp_path: Path, prepare: Callable[[Path], None], said: str) -> None:
    prepare(tmp_path / "data")
    found = examine_here(str(tmp_path), str(tmp_path / "data"))
    (sentence,) = problems(found, 0.0)
    assert said in sentence
    assert found[0].facts is not None
    assert found[0].facts.checks == {"storage": True, "data": False}


def write(folder: Path, content: bytes) -> None:
    folder.mkdir()
    (folder / "a.parquet").write_bytes(content)


def test_storage_that_is_another_one_is_said(tmp_path: Path) -> None:
    facts = examine(Asked(str(tmp_path), ".recur-doctor-1"), "me")
    assert len(facts.problems) == 1
    assert "is not the same here: what another machine has written is not there" in facts.problems[0]


def test_a_card_that_others_use_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretend(monkeypatch, tmp_path, CARDS)
    found = examine_here(str(tmp_path), None)
    assert problems(found, 1.0) == [
        f"{found[0].name}: its NVIDIA L4 is in use by others; end what runs on it"
    ]


def test_a_secret_that_is_not_there_is_said_of_each_node(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RECUR_SECRETS", '{"KEY": {"file": "/not/there"}}')
    (sentence,) = problems(examine_here(str(tmp_path), None), 0.0)
    assert sentence.endswith("secrets.KEY: /not/there holds no readable secret here")


def test_a_cluster_with_a_token_is_well_and_one_without_is_not(
    head: Head, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", head.token)
    found = examine_cluster(head.address, str(tmp_path), None, 1)
    assert problems(found, 0.0) == []
    assert [each.facts.checks for each in found if each.facts] == [
        {"storage": True, "ports": True, "token": True}
    ]
    assert list(tmp_path.iterdir()) == []
    with running_head("disabled") as open_to_all:
        assert takes_any_token(open_to_all.address)
        monkeypatch.delenv("RAY_AUTH_TOKEN")
        (sentence,) = problems(examine_cluster(open_to_all.address, str(tmp_path), None, 1), 0.0)
    assert sentence.startswith("cluster: Ray takes commands from anybody: start it with RAY_AUTH_MODE=token")


def test_a_node_that_should_be_there_is_missed(
    head: Head, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", head.token)
    monkeypatch.setattr(doctor, "_JOIN_SECONDS", 1.0)
    found = examine_cluster(head.address, str(tmp_path), None, 3)
    assert problems(found, 0.0) == ["?: only 1 of 3 nodes have joined; see the cluster's log"]


def test_storage_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ClusterError, match=r"cannot be written"):
        examine_here(str(tmp_path / "file"), None)
