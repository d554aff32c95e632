"""What a trial prints, sent to its log in the sweep's folder; secrets are withheld on the way."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cluster.references import knows_secrets, redacted
from cluster.scratch import scratch_folder
from cluster.storage import SweepFolder
from cluster.trickle import LARGEST, LEFT_OUT, sent_now_and_then

_JOIN_SECONDS = 2.0  # for what was printed last; a child of the trial's may keep the pipe open for ever
_LONGEST = 2**16  # bytes that are kept back for the end of a line


class TrialLogs:
    """Points the process's stdout and stderr at a trial's log, and back at where they went."""

    def __init__(self) -> None:
        """To be made once, before anything is printed."""
        self._held, self._usual = ExitStack(), os.dup(2)

    @contextmanager
    def of(self, folder: SweepFolder, trial: str) -> Iterator[None]:
        """Sends what is printed in the block to the trial's log, appending over its legs."""
        log, flags = folder.log(trial), os.O_WRONLY | os.O_APPEND
        if folder.storage.local is not None:
            local = Path(folder.path(log))
            target = folder.open_local(log, flags)
        else:
            local = self._held.enter_context(scratch_folder(None)) / "log"
            local.write_bytes(folder.read(log) if folder.exists(log) else b"")
            target = os.open(local, flags)
        try:
            with _shown(folder, log, local), self._sent(target):
                yield
        finally:
            if not local.exists() or not local.stat().st_size:
                local.unlink(missing_ok=True)  # a leg of the same trial that was left may have removed it
            elif folder.storage.local is None:
                folder.write(log, _bounded(local))

    @contextmanager
    def _sent(self, target: int) -> Iterator[None]:
        # Without secrets straight into the file, so that not even the last words of a crash are lost.
        thread = None
        if knows_secrets():
            pipe, end = os.pipe()
            thread = threading.Thread(target=_withhold, args=(pipe, target), daemon=True)
            thread.start()
            self._point(end)
            os.close(end)
        else:
            self._point(target)
            os.close(target)
        try:
            yield
        except Exception:
            traceback.print_exc()
            raise
        finally:
            self._point(self._usual)
            if thread is not None:
                thread.join(_JOIN_SECONDS)

    @staticmethod
    def _point(target: int) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(target, 1)
        os.dup2(target, 2)


@contextmanager
def _shown(folder: SweepFolder, log: str, local: Path) -> Iterator[None]:
    """In the block, an object store is sent now and then what has been printed so far."""
    if folder.storage.local is not None:
        yield
        return

    def size() -> int:
        return local.stat().st_size if local.exists() else 0

    impatient = folder.impatient()
    with sent_now_and_then(size, lambda: impatient.write(log, _bounded(local))):
        yield


def _bounded(local: Path) -> bytes:
    with local.open("rb") as file:
        text = file.read(LARGEST + 1)
    return text if len(text) <= LARGEST else text[:LARGEST] + LEFT_OUT.encode()


def _withhold(source: int, target: int) -> None:
    """Copy line by line, so that no secret is cut in two."""
    with os.fdopen(source, "rb", buffering=0) as lines, os.fdopen(target, "wb", buffering=0) as out:
        kept = b""
        while chunk := lines.read(_LONGEST):
            whole, newline, kept = (kept + chunk).rpartition(b"\n")
            if len(kept) > _LONGEST:
                whole, newline, kept = whole + newline + kept, b"", b""
            out.write(_clean(whole + newline))
        out.write(_clean(kept))


def _clean(text: bytes) -> bytes:
    return redacted(text.decode(errors="surrogateescape")).encode(errors="surrogateescape")
