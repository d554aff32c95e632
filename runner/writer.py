"""The writing end of a journal (``runner.journal`` tells its format and reads it)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from cluster.errors import ClusterError
from cluster.files import refusing
from cluster.lease import LeaseLostError
from cluster.storage import SweepFolder
from runner.flushing import Flusher
from runner.journal import Event, encode
from runner.sinks import LocalSink, UploadSink


class Journal:
    """One process at a time holds it (``cluster.lease``).

    Attributes:
        written, durable: records so far, and those of them that outlive the machine.
    """

    def __init__(self, folder: SweepFolder, tick: Callable[[], None] = lambda: None) -> None:
        """Open the next segment.

        ``tick`` is called about twice a second from the flushing thread; nothing goes to storage when it
        raises.  A ClusterError of its is one that passes, but for a lease that is lost.

        Raises:
            ClusterError: the storage does not take it.
        """
        self._folder, self._tick = folder, tick
        taken = folder.segments()
        number = taken[-1].last + 1 if taken else 1
        with self._refusing():
            self._sink = LocalSink(folder, number) if folder.storage.local else UploadSink(folder, number)
        self.written = self.durable = 0
        self._flusher = Flusher(self._save)

    def append(self, event: Event) -> None:
        """Write a record; when this returns it survives the death of this process (see ``runner.journal``).

        Raises:
            ClusterError: as ``check``.
        """
        self.check()
        try:
            self._sink.write(encode(event))
        except (ClusterError, OSError) as error:
            self._flusher.failure = error  # and nothing after it: readers stop at a record that is not whole
        self.check()
        self.written += 1

    def check(self) -> None:
        """See that records are still taken.

        Raises:
            ClusterError: the storage takes no more, or another process writes the journal now.
        """
        failure = self._flusher.failure
        if failure is None:
            return
        if isinstance(failure, LeaseLostError) or not isinstance(failure, (ClusterError, OSError)):
            raise failure
        reason = getattr(failure, "strerror", None) or failure
        raise ClusterError(f"{self._folder.uri}: the journal cannot be written ({reason})")

    def flush(self) -> None:
        """Have all records durable.

        Raises:
            ClusterError: as ``check``.
        """
        self.check()
        with self._refusing():
            self._flusher.flush()

    def close(self) -> None:
        """Flush what is left and end the thread.

        Raises:
            ClusterError: as ``check``.
        """
        try:
            with self._refusing():
                self._flusher.close()
        finally:
            self._sink.close()

    def _save(self) -> None:
        self._tick()
        written = self.written
        self._sink.flush()
        self.durable = written

    def _refusing(self) -> AbstractContextManager[None]:
        return refusing(f"{self._folder.uri}: the journal cannot be written")
