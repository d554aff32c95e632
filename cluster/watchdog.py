"""``python -m cluster.watchdog FOLDER``: ends what works in a session's folder when its driver has died.

Ray's own processes mostly notice by themselves, but its agents first wait minutes for the rest of Ray, and
what a worker started notices nothing.  The driver's death shows as the end of this process's stdin, whatever
killed it; a driver that ends in good order kills this process first.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster.processes import kill, users

_PATIENCE_SECONDS = 10.0


@contextmanager
def watched(folder: Path) -> Iterator[None]:
    """While the block runs, see that nothing that works in ``folder`` outlives this process."""
    with subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-P", "-m", __name__, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # whoever kills our process group does not mean this one
    ) as watchdog:
        try:
            yield
        finally:
            watchdog.kill()


def main(folder: Path) -> None:
    """Wait for the end of stdin, then kill until nobody works in ``folder``, and remove it."""
    sys.stdin.buffer.read()
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline and (left := users(folder, but=os.getpid())):
        kill(left)
        time.sleep(0.1)  # one that was being started a moment ago shows up now
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
