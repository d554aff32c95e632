"""One document to one receiver: a web address or a command, in bounded time and memory."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from tenacity import RetryCallState, Retrying, retry_if_result, stop_after_attempt, wait_exponential

from cluster.errors import ClusterError
from cluster.processes import descendants, kill
from cluster.references import redacted, withhold
from jobs.schedulespec import Notice, Reference
from runner.recurring.webhook import AWAY, DELIVERED

TRIES = 3  # of a web address, in one go
TRY_SECONDS = 9.0  # each of them; a run waits for all
COMMAND_SECONDS = 60.0
_SHOWN = 64 << 10  # bytes of what a command prints
_LARGEST = 16 << 20  # bytes that it may print
_ADDRESS = re.compile(r"https?://[^\s/]+\S*")
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})  # what Slack reads as its own


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        why: it was not delivered; nothing where it was.
        passes: whether that may go by.
    """

    why: str = ""
    passes: bool = False


def tell(notice: Notice, document: dict[str, Any]) -> Outcome:
    """Deliver a document; whatever is wrong with the receiver is in the outcome."""
    content = {"text": document["text"].translate(_ESCAPES)} if notice.format == "slack" else document
    if notice.command is not None:
        return _by_command(notice.command, content)
    try:
        url = address(notice)
    except ClusterError as error:
        return Outcome(str(error))
    given = json.dumps({"url": url, "document": content}).encode()
    trying = Retrying(
        stop=stop_after_attempt(TRIES),
        wait=wait_exponential(multiplier=0.5, max=2),
        retry=retry_if_result(lambda outcome: outcome.passes),
        retry_error_callback=_last,
    )
    return trying(_by_web, given)


def receiver(notice: Notice) -> str:
    """Whom a notice goes to, in words that hold no secret."""
    if notice.command is not None:
        return f"the command {Path(notice.command[0]).name}"
    try:
        return urlsplit(address(notice)).hostname or "a webhook"
    except (ClusterError, ValueError):
        found = notice.webhook
        where = f"variable {found.env}" if isinstance(found, Reference) and found.env else "file"
        return f"the webhook in a {where}"


def address(notice: Notice) -> str:
    """The web address of a notice, from where it is kept.

    Raises:
        ClusterError: there is none there; says where.
    """
    webhook = notice.webhook
    if isinstance(webhook, Reference):
        where = f"the environment variable {webhook.env}" if webhook.env else f"the file {webhook.file}"
        found = _secret(webhook)
        if not found:
            state = "is not set" if webhook.env else "cannot be read, or is empty,"
            raise ClusterError(f"notify.webhook: {where} {state} on this machine; put the address there")
        withhold(found)
        if not _ADDRESS.fullmatch(found):
            raise ClusterError(f"notify.webhook: {where} holds no address such as https://host/path")
        return found
    return str(webhook)


def _secret(reference: Reference) -> str:
    if reference.env is not None:
        return os.environ.get(reference.env, "").strip()
    with suppress(OSError, UnicodeDecodeError):
        return Path(str(reference.file)).expanduser().read_text(encoding="utf-8").strip()
    return ""


def _last(state: RetryCallState) -> Outcome:
    assert state.outcome is not None, "it was tried"  # noqa: S101
    found: Outcome = state.outcome.result()
    return found


def _by_web(given: bytes) -> Outcome:
    command = [sys.executable, "-P", "-m", "runner.recurring.webhook"]
    code, words, stopped = _run(command, given, TRY_SECONDS)
    if stopped:
        return Outcome(f"it does not answer within {TRY_SECONDS:.0f} s", passes=True)
    if code == DELIVERED:
        return Outcome()
    last = words.strip().splitlines()[-1:]
    return Outcome(redacted(last[0]) if last else f"its sender ended with {code}", passes=code == AWAY)


def _by_command(command: Sequence[str], content: dict[str, Any]) -> Outcome:
    try:
        code, words, stopped = _run(command, json.dumps(content).encode(), COMMAND_SECONDS)
    except (OSError, ValueError) as error:  # the second where a word holds a null character
        return Outcome(f"it cannot be started: {getattr(error, 'strerror', None) or error}")
    if words:
        click.echo(redacted(words), err=True, nl=not words.endswith("\n"))
    if stopped:
        return Outcome(stopped)
    return Outcome("" if code == 0 else f"it ended with exit code {code}")


def _run(command: Sequence[str], given: bytes, seconds: float) -> tuple[int, str, str]:
    """Run a command to its end.

    Returns:
        Its exit code, the beginning of what it printed, and why it was ended, if it was.
    """
    # Files, not pipes: one who does not read, or leaves somebody behind who goes on printing, keeps nobody.
    with tempfile.TemporaryFile() as words, tempfile.TemporaryFile() as question:
        question.write(given)
        question.seek(0)
        with subprocess.Popen(  # noqa: S603 - a module of ours, or what the job's owner wrote
            command, stdin=question, stdout=words, stderr=subprocess.STDOUT, start_new_session=True
        ) as process:
            try:
                stopped = _await(process, words.fileno(), seconds)
            finally:
                if process.poll() is None:
                    _end(process)
        words.seek(0)
        return process.returncode, words.read(_SHOWN).decode(errors="replace"), stopped


def _await(process: subprocess.Popen[bytes], words: int, seconds: float) -> str:
    """Wait for its end; why it is to be ended, if it does not come."""
    end = time.monotonic() + seconds
    while process.poll() is None:
        if time.monotonic() >= end:
            return f"it had not ended after {seconds:.0f} s"
        if os.fstat(words).st_size > _LARGEST:
            return f"it prints more than {_LARGEST >> 20} MB"
        time.sleep(0.02)
    return ""


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill it with all that it has started, those included that left its group."""
    family = descendants(process.pid)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    kill(family)
    process.wait()
