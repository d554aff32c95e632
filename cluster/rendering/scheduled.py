"""What is rendered, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cluster.calendar import Calendar


@dataclass(frozen=True)
class Scheduled:
    """A schedule, as a platform's own scheduler is to run it.

    Attributes:
        storage: a URI or an absolute path.
        program: what Recur is called where it is run.
        catches_up: whether it is run late where nobody ran it at its time.
        paused: whether nothing is to be run for now.
        trusted: SHA-256 of its files, where they name what is executed and that is believed as it is now.
    """

    name: str
    calendar: Calendar
    storage: str
    program: tuple[str, ...] = ("recur",)
    catches_up: bool = True
    paused: bool = False
    trusted: str | None = None

    def command(self, *extra: str) -> list[str]:
        """What is run: it finds out by itself whether anything is due."""
        run = ["schedule", "run", self.name, "--scheduled", "--storage", self.storage]
        trusted = ["--trusted", self.trusted] if self.trusted else []
        return [*self.program, *run, *trusted, *extra]

    @property
    def about(self) -> str:
        """A line that says what it is."""
        return f"Recur's schedule {self.name}: {self.calendar.cron} ({self.calendar.zone})"


@dataclass(frozen=True)
class Rendered:
    """Files, by their names, and what whoever uses them should know, a sentence each."""

    files: Mapping[str, str] = field(repr=False)
    notes: tuple[str, ...] = ()
