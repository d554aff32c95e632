"""A sweep in a cluster that has no node for trials until one is asked for: a real autoscaler's."""

from __future__ import annotations

import pytest

from tests.cluster.head import running_head
from tests.runner.command import JobWriter, Recur, journal

pytestmark = pytest.mark.slow


def test_a_cluster_grows_for_the_trials_of_a_sweep(
    recur: Recur, write_job: JobWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two nodes of a core each: two trials run at the same time."""
    job = write_job(recur.folder, trials=4, scheduler="none", epochs=150)
    with running_head("token", grows=2) as head:
        monkeypatch.setenv("RAY_AUTH_TOKEN", head.token)
        recur("run", job, "--address", head.address, "--set", "train.early_stopping=null")
    events = journal(recur.storage / "small")
    assert recur.json("status", "small")["trials"]["done"] == 4
    running, most = set(), 0
    for event in events:
        if event["event"] == "leg":
            running.add(event["trial"])
        elif event["event"] in {"end", "pause", "lost"}:
            running.discard(event["trial"])
        most = max(most, len(running))
    assert most == 2
