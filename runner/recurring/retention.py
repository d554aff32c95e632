"""Which of a schedule's sweeps are kept."""

from __future__ import annotations

from cluster.errors import ClusterError
from cluster.lease import lease_holder
from cluster.submissions import forget
from runner.launch import warn
from runner.recurring.desk import Desk, now
from runner.recurring.nightly import own_sweeps
from runner.recurring.pointer import read_champion


def remove_old(desk: Desk) -> None:
    """Remove all but the latest sweeps; the champion's stays, the one before it, and what is being run."""
    folder, storage = desk.folder, desk.folder.storage
    there = [name for name in own_sweeps(folder) if storage.sweep(name).exists()]
    old = [name for name in there[: -desk.rules().keep] if name not in _spared(desk)]
    removed = []
    for name in old:
        sweep = storage.sweep(name)
        try:
            if lease_holder(sweep) is None:
                sweep.remove()
                removed.append(name)
                forget(storage.uri, name)
        except ClusterError as error:  # the next run tries again
            warn(f"{name} is too old to be kept and cannot be removed wholly: {error}")
    if removed:
        desk.record("removed", f"{', '.join(removed)} (schedule.keep: {desk.rules().keep})")
    folder.forget(now())


def _spared(desk: Desk) -> set[str]:
    champion = read_champion(desk.folder)
    run = desk.state(desk.folder.definition()).run
    spared = {run.sweep} if run else set()
    if champion is not None:
        spared |= {champion.sweep, *([champion.previous.sweep] if champion.previous else [])}
    return spared
