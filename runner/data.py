"""A job's data as a panel that every process of a node maps from one place."""

from __future__ import annotations

from pathlib import Path

from cluster.files import open_filesystem
from jobs.panel import Panel
from jobs.searchable import Section
from jobs.shards import Columns, read_panel
from jobs.spec import Job
from jobs.windows import check_windows


def read_job_panel(job: Job) -> Panel:
    """Read the job's shards and see that its windows and split fit them.

    Raises:
        JobError: names the shard, column or field at fault.
        ClusterError: the path's storage cannot be opened.
    """
    data = job.data
    filesystem, path = open_filesystem(data.path)
    panel = read_panel(filesystem, path, Columns(data.time, data.series, data.target, data.past))
    check_windows(job, panel)
    return panel


def open_job_panel(job: Job, folder: Path) -> Panel:
    """Map the panel from ``folder``, reading the shards first where there is none.

    Raises:
        JobError: the shards cannot be read here.
    """
    if not (folder / "panel.json").exists():
        read_job_panel(job).save(folder)
    return Panel.load(folder)


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
