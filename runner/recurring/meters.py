"""What a server tells of itself over HTTP: ``/healthz``, and ``/metrics`` as Prometheus reads them."""

from __future__ import annotations

import time
from collections.abc import Iterable
from socketserver import ThreadingMixIn
from threading import Thread
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, make_wsgi_app

from cluster.errors import ClusterError

if TYPE_CHECKING:
    from runner.recurring.attendance import Found

_SILENT_SECONDS = 120.0  # without a look, after which a server is not well
_LATE = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0)


class Meters:
    """Counts what a server does."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self.registry = CollectorRegistry()
        kept: dict[str, Any] = {"registry": self.registry}
        by_name = {"labelnames": ("schedule",), **kept}
        self._events = Counter(
            "recur_schedule_events", "What was decided on ticks.", ("schedule", "event"), **kept
        )
        self._errors = Counter("recur_schedule_errors", "Looks that failed.", **by_name)
        self._next = Gauge("recur_schedule_next_tick_seconds", "When it is due next.", **by_name)
        self._late = Histogram(
            "recur_schedule_delay_seconds", "From a tick to its decision.", buckets=_LATE, **kept
        )
        self._schedules = Gauge("recur_schedules", "Schedules on the storage.", **kept)
        self._runs = Gauge("recur_schedule_runs", "Runs that this server carries out.", **kept)
        self._lost = Counter("recur_storage_errors", "Times that the storage could not be listed.", **kept)
        self._looked = 0.0
        self._storage_away = False

    def looked(self, schedules: int, runs: int) -> None:
        """A look at everything is over."""
        self._looked = time.monotonic()
        self._schedules.set(schedules)
        self._runs.set(runs)

    def attended(self, name: str, found: Found, late: float) -> None:
        """A schedule was looked at, so many seconds after it was due if it was."""
        self._storage_away = False
        self._next.labels(name).set(found.due.timestamp())
        for record in found.records:
            self._events.labels(name, record.event).inc()
        if found.records and late >= 0:
            self._late.observe(late)

    def failed(self, name: str) -> None:
        """A schedule could not be looked at."""
        self._errors.labels(name).inc()

    def forget(self, name: str) -> None:
        """A schedule is gone."""
        self._next.remove(name)

    def away(self) -> None:
        """The storage could not be listed."""
        self._lost.inc()
        self._storage_away = True

    def trouble(self) -> str | None:
        """Why the server is not well; None where it is."""
        if time.monotonic() - self._looked > _SILENT_SECONDS:
            return f"it has not looked at its schedules for {_SILENT_SECONDS:g} s"
        return "its storage cannot be read" if self._storage_away else None

    def answer(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        """The answer to a request, as WSGI has it."""
        match environ.get("PATH_INFO"):
            case "/metrics":
                return make_wsgi_app(self.registry)(environ, start)
            case "/healthz":
                trouble = self.trouble()
                start("503 Service Unavailable" if trouble else "200 OK", [("Content-Type", "text/plain")])
                return [f"{trouble or 'ok'}\n".encode()]
            case _:
                start("404 Not Found", [("Content-Type", "text/plain")])
                return [b"there are /healthz and /metrics\n"]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    """Says nothing of each request; one that stays silent is let go."""

    timeout = 10

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its base's name
        """Nothing."""


def answering(meters: Meters, host: str, port: int) -> WSGIServer:
    """Answers at that address, in threads, until it is shut down.

    Raises:
        ClusterError: the address cannot be had.
    """
    try:
        server = make_server(host, port, meters.answer, _Server, _Quiet)
    except OSError as error:
        raise ClusterError(
            f"--port {port}: {host} cannot be listened on there ({error.strerror}); choose another"
        ) from None
    Thread(target=server.serve_forever, name="answers", daemon=True).start()
    return server
