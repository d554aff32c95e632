"""The one error of this package: its text is the sentence a user reads."""

from __future__ import annotations

import os
import re

_REFUSED = ("ACCESS_DENIED", "INVALID_ACCESS_KEY_ID", "UNAUTHENTICATED", "PERMISSION_DENIED", "credentials")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


class JobError(Exception):
    """A job file, its data or its parameters cannot be used as they are.

    The message names the file, field, shard or column, says what was found and what to do.
    """

    def __init__(self, sentence: str) -> None:
        """One line, whatever the names in it hold."""
        super().__init__(_CONTROL.sub(lambda found: repr(found[0])[1:-1], sentence))


def reason(error: Exception) -> str:
    """What the system or Arrow says was wrong, in one line."""
    number = getattr(error, "errno", None)  # Arrow's own text repeats the whole path before it says so
    return os.strerror(number) if number else str(error).splitlines()[0][:160]


def hint(error: Exception) -> str:
    """What to do where a bucket says that nobody may read it; nothing for other errors."""
    said = str(error)
    if not any(word in said for word in _REFUSED):
        return ""
    return (
        "; put credentials that may read it into the environment (AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY or AWS_PROFILE, GOOGLE_APPLICATION_CREDENTIALS)"
    )
