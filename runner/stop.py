"""``recur stop``, which is to be heard soon: it imports nothing of what trains."""

from __future__ import annotations

import time
from pathlib import Path

import click

from cluster.errors import ClusterError
from cluster.lease import lease_holder
from runner.launch import typed
from runner.show import print_json
from runner.submitted import Known, find_known


def stop_command(
    *, sweep: str, storage: str | None, cluster_file: Path | None, now: bool, as_json: bool
) -> None:
    """Carry out ``recur stop``.

    Raises:
        ClusterError: there is no such sweep, or nobody is running it and it waits nowhere.
    """
    known = find_known(sweep, storage, cluster_file)
    folder, holder = known.folder, lease_holder(known.folder)
    if holder is None:
        _take_back(known, as_json=as_json)
        return
    folder.write_json(folder.STOP, {"now": now, "time": time.time()})
    if as_json:
        print_json({"sweep": folder.name, "stopping": "now" if now else "rung", "runner": holder})
        return
    when = "saves what runs and leaves" if now else "lets what runs come to its rung, then leaves"
    click.echo(
        f"{folder.name}: {holder} {when}\n\nNext:\n"
        f"  recur status {typed(folder)}\n  recur resume {typed(folder)}"
    )


def _take_back(known: Known, *, as_json: bool) -> None:
    """End what was submitted and is not at work: it waits, or begins just now."""
    name, submitted = known.folder.name, known.submitted
    status = submitted.status() if submitted else None
    if submitted is None or (status is not None and status.ended):
        raise ClusterError(f"sweep {name} is not being run; there is nothing to stop")
    submitted.stop()
    handle = submitted.handle
    if as_json:
        print_json({"sweep": name, "stopping": "now", "runner": f"{handle.backend} {handle.id}"})
        return
    click.echo(
        f"{name}: {handle.backend} {handle.id} is taken back\n\nNext:\n"
        f"  recur status {typed(known.folder)}\n  recur resume {typed(known.folder)}"
    )
