"""A schedule as a line of a crontab."""

from __future__ import annotations

import shlex

from cluster.errors import ClusterError
from cluster.rendering.cronfields import CronFields
from cluster.rendering.scheduled import Rendered, Scheduled

_LONGEST = 998  # characters of a command that cron takes


def crontab(scheduled: Scheduled, machine_zone: str | None) -> Rendered:
    """The lines for a user's crontab.

    Args:
        scheduled: the schedule; its program is an absolute path, as cron has hardly a PATH.
        machine_zone: that of the machine whose cron it is, where that is known.

    Raises:
        ClusterError: cron has no words for the expression, or takes no line of that length.
    """
    fields = " ".join(CronFields.of(scheduled.calendar).plain("cron"))
    log = f'"$HOME"/recur-{scheduled.name}.log'
    command = f"{shlex.join(scheduled.command())} >> {log} 2>&1".replace("%", r"\%")
    if len(command) > _LONGEST:
        raise ClusterError(
            f"schedule {scheduled.name}: its command has {len(command)} characters, of which cron takes "
            f"{_LONGEST}; use --to systemd"
        )
    lines = [f"# {scheduled.about}", f"{fields} {command}"]
    notes = [
        "cron gives a command hardly any of your environment: set AWS_PROFILE and the like in the crontab"
    ]
    if scheduled.calendar.zone != machine_zone:
        lines[1:1] = _zone_lines(scheduled.calendar.zone)
        notes.append(
            f"Debian's and Ubuntu's cron does not heed CRON_TZ: there the machine's zone has to be "
            f"{scheduled.calendar.zone}, or use --to systemd"
        )
    if scheduled.paused:
        notes.append(f"the schedule is paused; until recur schedule resume {scheduled.name} nothing is run")
    return Rendered({f"recur-{scheduled.name}.cron": "\n".join(lines) + "\n"}, tuple(notes))


def _zone_lines(zone: str) -> list[str]:
    return [
        "# CRON_TZ is heeded by cronie (Fedora, RHEL, SUSE, Arch) and holds for all lines below it: keep",
        "# these at the end. Debian's and Ubuntu's cron ignores it, and takes the machine's zone.",
        f"CRON_TZ={zone}",
    ]
