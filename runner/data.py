"""A job's data as a panel that every process of a node maps from one place."""

from __future__ import annotations

from pathlib import Path

from cluster.files import open_filesystem
from cluster.scratch import scratch_folder
from jobs.panel import Panel
from jobs.searchable import Section
from jobs.shards import Columns, read_panel
from jobs.spec import Job
from jobs.windows import check_windows


def open_job_panel(job: Job, folder: Path) -> Panel:
    """Map the job's panel from ``folder``, reading the shards into it first where there is none.

    Raises:
        JobError: names the shard, column or field at fault, or the windows and the split do not fit, or
            there is no room for the panel.
        ClusterError: the path's storage cannot be opened.
    """
    if (folder / "panel.json").exists():
        return Panel.load(folder)
    data = job.data
    panel = open_panel(data.path, Columns(data.time, data.series, data.target, data.past), folder)
    check_windows(job, panel)
    return panel


def read_job_panel(job: Job) -> Panel:
    """The job's panel for this process alone: its files have no names any more.

    Raises:
        JobError, ClusterError: as ``open_job_panel``; or temporary files cannot be made.
    """
    with scratch_folder(None) as scratch:
        return open_job_panel(job, scratch / "panel")


def open_panel(uri: str, columns: Columns, folder: Path) -> Panel:
    """Read the shards under a path or URI into ``folder`` and map them from there.

    Raises:
        JobError: names the shard or column at fault, or there is no room for the panel.
        ClusterError: the storage cannot be opened.
    """
    filesystem, path = open_filesystem(uri)
    return read_panel(filesystem, path, columns, folder)


def changed_fields(old: Section, new: Section, prefix: str = "") -> list[str]:
    """Dotted names of the fields in which two versions of a job differ."""
    changed = []
    for name, value in new:
        before = getattr(old, name)
        if isinstance(value, Section) and isinstance(before, Section):
            changed += changed_fields(before, value, f"{prefix}{name}.")
        elif value != before:
            changed.append(f"{prefix}{name}")
    return changed
