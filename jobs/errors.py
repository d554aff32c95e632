"""The one error of this package: its text is the sentence a user reads."""

from __future__ import annotations


class JobError(Exception):
    """A job file, its data or its parameters cannot be used as they are.

    The message names the file, field, shard or column, says what was found and what to do.
    """


class DivergedError(JobError):
    """A trained network no longer gives finite numbers."""
