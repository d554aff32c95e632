"""One worker twice: the same journal but for times, whoever searches and whoever schedules."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runner.command import JobWriter, Recur, content


@pytest.mark.parametrize(
    "search",
    [
        "algorithm: grid, scheduler: median, trials: 6",
        "algorithm: bayesian, scheduler: asha, promotion: true, trials: 6",
        "algorithm: tpe, scheduler: pbt, trials: 4",
        "algorithm: random, scheduler: hyperband",
        "algorithm: hyperband",
    ],
)
def test_one_worker_twice_gives_the_same_journal(tmp_path: Path, write_job: JobWriter, search: str) -> None:
    journals = []
    for name in ("once", "again"):
        recur = Recur(tmp_path / name)
        recur.folder.mkdir()
        job = write_job(recur.folder, epochs=4)
        head, found, _ = job.read_text().partition("search:")
        assert found
        job.write_text(f"{head}search: {{{search}, factor: 2, seed: 3}}\n")
        recur("run", job, "--workers", "1")
        journals.append(content(recur.storage / "small"))
    assert journals[0] == journals[1]
    assert sum(event["event"] == "result" for event in journals[0]) > 4
