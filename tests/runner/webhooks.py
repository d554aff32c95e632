"""A web server that answers as those do which people have notices sent to, and as they should not."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Webhook:
    """Where to post, what was posted, and how each of them is answered; the last answer goes on.

    ``200``, ``500`` …, ``hang``, ``drip`` (a header without an end), ``trickle`` (a body without one),
    ``flood`` (a body of any size), ``cut`` (no answer).
    """

    url: str
    answers: list[str] = field(default_factory=lambda: ["200"])
    asked: list[tuple[str, Any]] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)

    @property
    def documents(self) -> list[Any]:
        """What was posted."""
        return [document for _, document in self.asked]


class _Handler(BaseHTTPRequestHandler):
    webhook: Webhook

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.webhook.asked.append((self.path, json.loads(content)))
        answers = self.webhook.answers
        answer = answers[min(len(self.webhook.asked), len(answers)) - 1]
        with suppress(OSError):  # nobody listens any more
            self._answer(answer)
        self.close_connection = True

    def do_GET(self) -> None:
        """Where a redirection leads."""
        self.webhook.asked.append((self.path, None))
        self._answer("200")

    def _answer(self, answer: str) -> None:
        if answer == "hang":
            self.webhook.ending.wait(120)
        elif answer == "drip":
            self._without_end(b"HTTP/1.1 200 OK\r\nX: ", 0.2)
        elif answer == "trickle":
            self._without_end(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n", 0.2)
        elif answer == "flood":
            self._without_end(b"HTTP/1.1 200 OK\r\n\r\n", 0.0, 1 << 20)
        elif answer != "cut":
            self.send_response(int(answer))
            if answer.startswith("3"):
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def _without_end(self, begin: bytes, pause: float, size: int = 1) -> None:
        self.wfile.write(begin)
        while not self.webhook.ending.is_set():
            self.wfile.write(b"x" * size)
            time.sleep(pause)


@contextmanager
def webhook(*answers: str) -> Iterator[Webhook]:
    """Serve one on this machine."""
    handler = type("Handler", (_Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    found = Webhook(f"http://127.0.0.1:{server.server_address[1]}/services/T0/hunter2hunter2")
    if answers:
        found.answers = list(answers)
    handler.webhook = found
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield found
    finally:
        found.ending.set()
        server.shutdown()
        server.server_close()
