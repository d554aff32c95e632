"""How a command ends other than well; ``runner.cli.main`` turns each into its exit code."""

from __future__ import annotations


class WorkFailedError(Exception):
    """The command was right and the work failed (exit code 1); the message says why."""


class Interrupted(Exception):  # noqa: N818 - not an error: the user asked for it
    """A signal stopped the work, which can be resumed (exit code 130); the message says how."""
