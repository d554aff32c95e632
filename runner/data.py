"""A job's data as a panel that every process of a node maps from one place."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from cluster.cache import kept
from cluster.files import open_filesystem, replace_file
from jobs.errors import JobError
from jobs.frequencies import check_spacing
from jobs.panel import Panel
from jobs.scaling import check_positive
from jobs.searchable import Section
from jobs.shards import build_panel
from jobs.source import Columns, Source
from jobs.spec import Job
from jobs.windows import check_windows


def open_job_panel(job: Job) -> Panel:
    """The job's panel, mapped from this node's cache.

    Raises:
        JobError: names the shard, column or field at fault, or the windows and the split do not fit, or
            two frequencies are mixed, or there is no room for the panel.
        ClusterError: the path's storage, or the cache, cannot be opened.
    """
    data = job.data
    panel = open_panel(data.path, Columns.of(data))
    check_spacing(panel, data.path)
    check_windows(job, panel)
    if job.window.transform != "none":
        check_positive(panel, job.window.transform)
    return panel


def open_panel(uri: str, columns: Columns) -> Panel:
    """The panel of the shards under a path or URI, mapped from this node's cache.

    The shards are read only where they, or what is read of them, are other than before.

    Raises:
        JobError: names the shard or column at fault, or there is no room for the panel.
        ClusterError: the storage, or the cache, cannot be opened.
    """
    filesystem, path = open_filesystem(uri)
    source = Source.find(filesystem, path, columns)
    while True:
        folder = kept("panels", source.key(), lambda made: build_panel(source, made))
        try:
            return Panel.load(folder)
        except FileNotFoundError:
            continue  # another process has made room in the cache meanwhile


def fingerprint_of(panel: Panel) -> str:
    """The panel's fingerprint, computed once on each node: all of the panel is read for it."""
    kept_in = panel.folder / "fingerprint" if panel.folder else None
    if kept_in is None:
        return panel.fingerprint()
    with suppress(OSError):
        return kept_in.read_text()
    found = panel.fingerprint()
    with suppress(OSError):  # the next one computes it again
        replace_file(kept_in, found.encode())
    return found


def map_job_panel(job: Job, folder: Path) -> Panel:
    """The panel that the driver has opened, in a process that may run on another node.

    Raises:
        JobError: as ``open_job_panel``; or the data has changed since the driver read it.
        ClusterError: as ``open_job_panel``.
    """
    if (folder / "panel.json").exists():
        return Panel.load(folder)
    panel = open_job_panel(job)
    if panel.folder is None or panel.folder.name != folder.name:
        raise JobError(f"{job.data.path}: the data has changed since the sweep began; run it again")
    return panel


def changed_fields(old: Section, new: Section, prefix: str = "") -> list[str]:
    """Dotted names of the fields in which two versions of a job differ.

    A section of another kind, such as ``model.build`` in the place of layers, has changed as a whole.
    """
    changed = []
    for name, value in new:
        before = getattr(old, name)
        if isinstance(value, Section) and type(value) is type(before):
            changed += changed_fields(before, value, f"{prefix}{name}.")
        elif value != before:
            changed.append(f"{prefix}{name}")
    return changed
