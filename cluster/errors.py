"""The one error of this package: its text is the sentence a user reads."""

from __future__ import annotations


class ClusterError(Exception):
    """A storage, a cluster file or a cluster cannot be used as it is.

    The message names the place, says what was found and what to do.
    """
