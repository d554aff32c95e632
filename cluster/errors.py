"""The errors of this package: their text is the sentence a user reads."""

from __future__ import annotations


class ClusterError(Exception):
    """A storage, a cluster file or a cluster cannot be used as it is.

    The message names the place, says what was found and what to do.
    """


class StorageAwayError(ClusterError):
    """A storage did not answer for as long as it was waited for; what is on it is there when it is back."""


class ElsewhereError(ClusterError):
    """Only another machine can tell, and that is no matter of waiting."""
