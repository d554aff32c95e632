"""The one layer of retries: how long a storage that does not answer is waited for.

What a file system says of trouble is of two kinds.  A refusal (no such bucket, no right to it) stays one and
is told at once; anything else of an object store's, and what a mount says whose server is away, may go by.
"""

from __future__ import annotations

import errno
import os
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import (
    Retrying,
    retry_if_exception,
    sleep,
    sleep_using_event,
    stop_before_delay,
    stop_when_event_set,
    wait_exponential_jitter,
)

from cluster.errors import ClusterError, StorageAwayError

COMMAND_SECONDS = 15.0  # somebody waits for the answer
SWEEP_SECONDS = 600.0
WORKER_SECONDS = 900.0  # the sweep's own process gives up first: that leaves a sweep which can be resumed

_FIRST_WAIT, _LONGEST_WAIT = 0.25, 5.0  # seconds between two tries
_REFUSALS = frozenset(
    {errno.ENOENT, errno.EACCES, errno.EPERM, errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.EINVAL}
)
# A mount's server is away; a file system in user space that cannot reach its bucket says EIO.
_MOUNT_AWAY = frozenset(
    {errno.ESTALE, errno.EIO, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.EREMOTEIO}
)
_REFUSED = re.compile(
    r"AWS Error (?:ACCESS_DENIED|INVALID_\w+|SIGNATURE_\w+|INCOMPLETE_SIGNATURE|UNRECOGNIZED_CLIENT"
    r"|MISSING_\w+|NO_SUCH_BUCKET|NO_SUCH_KEY|RESOURCE_NOT_FOUND|VALIDATION|OPT_IN_REQUIRED)\b"
    r"|HTTP status 4(?!08|29)\d\d"
    r"|Status\((?:PERMISSION_DENIED|UNAUTHENTICATED|NOT_FOUND|INVALID_ARGUMENT|FAILED_PRECONDITION)\b"
    r"|[Bb]ucket '[^']*' not found|No such directory"
)

Result = TypeVar("Result")


def _nothing() -> None:
    """What is done where nothing is asked for."""


@dataclass(frozen=True)
class Patience:
    """What whoever uses a storage does about one that does not answer.

    Attributes:
        seconds: to wait for it; 0 tries once.
        waiting: is called before each wait, from the thread that waits.
        guard: is called before each try at a change; what it raises forbids the change.
    """

    seconds: float = COMMAND_SECONDS
    waiting: Callable[[], None] = _nothing
    guard: Callable[[], None] = _nothing

    def attempt(self, operation: Callable[[], Result], what: str, *, local: bool = False) -> Result:
        """What an operation on a file system returns, which ``what`` says that it could not be done.

        Raises:
            StorageAwayError: the storage did not answer.
            ClusterError: it refuses.
        """

        def passes(error: BaseException) -> bool:
            return isinstance(error, StorageAwayError) or _goes_by(error, local=local)

        begun = time.monotonic()
        try:
            return retrying(self.seconds, passes, waiting=self.waiting)(operation)
        except OSError as error:
            if not passes(error):
                raise ClusterError(f"{what} ({reason(error)})") from None
            raise StorageAwayError(
                f"{what}: the storage has not answered as it should for {time.monotonic() - begun:.0f} s "
                f"({reason(error)}); try again when it is back: nothing that is on it is lost, and a sweep "
                "can be resumed"
            ) from None

    def change(self, operation: Callable[[], Result], what: str, *, local: bool = False) -> Result:
        """The same for one that changes what is on storage.

        Raises:
            ClusterError: as ``attempt``, or the guard forbids it.
        """

        def guarded() -> Result:
            self.guard()
            return operation()

        return self.attempt(guarded, what, local=local)


def retrying(
    seconds: float,
    passes: Callable[[BaseException], bool],
    *,
    closing: threading.Event | None = None,
    waiting: Callable[[], None] = _nothing,
) -> Retrying:
    """Tries again what fails as ``passes`` says, for so many seconds or till ``closing``."""
    stop = stop_before_delay(seconds)
    return Retrying(
        retry=retry_if_exception(passes),
        stop=stop | stop_when_event_set(closing) if closing else stop,
        wait=wait_exponential_jitter(initial=_FIRST_WAIT, max=_LONGEST_WAIT, jitter=_FIRST_WAIT),
        sleep=sleep_using_event(closing) if closing else sleep,
        before_sleep=lambda _: waiting(),
        reraise=True,
    )


def reason(error: OSError) -> str:
    """In a line, why it failed."""
    return os.strerror(error.errno) if error.errno else str(error).splitlines()[0]


def _goes_by(error: BaseException, *, local: bool) -> bool:
    if not isinstance(error, OSError):
        return False
    if local:
        return error.errno in _MOUNT_AWAY
    return error.errno not in _REFUSALS and not _REFUSED.search(str(error))
