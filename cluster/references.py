"""Secrets by reference: which variable each goes into and where it is found, never what it is.

The references travel with a sweep, in one variable of its environment; each process of it takes the secrets
up where it runs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from cluster.errors import ClusterError

VARIABLE = "RECUR_SECRETS"
_SECRET_BY_NAME = ("RAY_AUTH_TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_SHORTEST = 6  # what is shorter stands in too many other words
_WITHHELD = "***"


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


def redacted(text: str) -> str:
    """The text without the values of secrets that this process knows."""
    for value in sorted(_values(), key=len, reverse=True):
        text = text.replace(value, _WITHHELD)
    return text


def _values() -> set[str]:
    with suppress(ClusterError):  # whoever takes them up says so
        return _known({*_SECRET_BY_NAME, *_travelling()})
    return _known(_SECRET_BY_NAME)


def _known(names: Iterable[str]) -> set[str]:
    return {value for name in names if len(value := os.environ.get(name, "")) >= _SHORTEST}


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
