"""Secrets: by reference, each a variable and where its value is found; and kept out of what is shown.

The references travel with a sweep, in one variable of its environment; each process of it takes the secrets
up where it runs.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cluster.errors import ClusterError
from cluster.streams import printing_by

VARIABLE = "RECUR_SECRETS"
_SECRET_BY_NAME = ("RAY_AUTH_TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_SHORTEST = 6  # what is shorter stands in too many other words
_WITHHELD = "***"
_LIKE_A_SECRET = re.compile(
    r"SECRET|TOKEN(?!IZ)|PASSWORD|PASSWD|PASSPHRASE|PRIVATE|CREDENTIAL|_KEY$", re.IGNORECASE
)
_PUBLIC = re.compile(r"GOOGLE_APPLICATION_CREDENTIALS|.*_(ID|FILE|PATH|DIR)", re.IGNORECASE)
_WITH_PASSWORD = re.compile(r"[A-Za-z][\w+.-]*://[^/\s:@]*:[^/\s@]+@")
_read_here: set[str] = set()  # secrets that came from elsewhere than the environment


def take_up() -> None:
    """Put every secret that travels by reference into this process's environment.

    Raises:
        ClusterError: one is not where it should be; names the place, as every process of a sweep does.
    """
    for name, place in _travelling().items():
        os.environ[name] = _found(name, place)


def knows_secrets() -> bool:
    """Whether this process has any that could be shown."""
    return bool(_values())


def names_a_secret(variable: str) -> bool:
    """Whether a variable of that name holds a secret itself, not where one is or whose it is."""
    return bool(_LIKE_A_SECRET.search(variable)) and not _PUBLIC.fullmatch(variable)


def holds_a_password(text: str) -> bool:
    """Whether there is a URI with a password in it."""
    return bool(_WITH_PASSWORD.search(text))


def withhold(secret: str) -> None:
    """Know a secret that stands in no variable of the environment."""
    _read_here.add(secret)


@contextmanager
def withheld_output() -> Iterator[None]:
    """In the block nothing that is printed shows a secret, whoever prints it."""
    with printing_by(_withholding):
        yield


def _withholding(stream: Any, text: str) -> int:
    stream.write(redacted(text))
    return len(text)


def redacted(text: str) -> str:
    """The text without the values of secrets that this process knows."""
    for value in sorted(_values(), key=len, reverse=True):
        text = text.replace(value, _WITHHELD)
    return text


def _values() -> set[str]:
    names = set(_SECRET_BY_NAME)
    with suppress(ClusterError):  # whoever takes them up says so
        names |= _travelling().keys()
    found = {os.environ.get(name, "") for name in names} | _read_here | {_token_in_file()}
    return {value for value in found if len(value) >= _SHORTEST}


def _token_in_file() -> str:
    """Ray's token, where it is in a file as in the jobs of Slurm."""
    with suppress(OSError, UnicodeDecodeError):
        return Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or os.devnull).read_text(encoding="utf-8").strip()
    return ""


def _travelling() -> dict[str, dict[str, str]]:
    try:
        found = json.loads(os.environ.get(VARIABLE) or "{}")
        return {
            str(name): {str(kind): str(place) for kind, place in each.items()} for name, each in found.items()
        }
    except (ValueError, AttributeError):
        raise ClusterError(
            f"{VARIABLE} holds no references to secrets; unset it, or submit the sweep again"
        ) from None


def _found(name: str, place: Mapping[str, str]) -> str:
    if place.keys() not in ({"env"}, {"file"}):
        raise ClusterError(f"secrets.{name}: is found neither in a variable nor in a file")
    if "env" in place:
        value = os.environ.get(place["env"], "")
        if not value:
            raise ClusterError(f"secrets.{name}: the environment variable {place['env']} is not set here")
        return value
    path = Path(place["file"]).expanduser()
    try:
        value = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        value = ""
    if not value:
        raise ClusterError(f"secrets.{name}: {path} holds no readable secret here")
    return value
