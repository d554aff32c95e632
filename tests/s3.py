"""A real S3 server program on this machine, and a way to it that fails as networks do."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
BUCKET = "bucket"


def uri(port: int, path: str) -> str:
    """What a user writes for a place in the bucket."""
    return f"s3://{BUCKET}/{path}?endpoint_override=127.0.0.1:{port}&scheme=http&allow_bucket_creation=true"


@contextmanager
def s3_server(*, strict: bool = False) -> Iterator[int]:
    """Start moto's server with an empty bucket; its port.  A ``strict`` one serves nobody unknown."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    first = {"INITIAL_NO_AUTH_ACTION_COUNT": "1"} if strict else {}  # which makes the bucket
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=os.environ | first, **quiet) as process:
        try:
            _put_bucket(port)
            yield port
        finally:
            process.terminate()


def _put_bucket(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("PUT", f"/{BUCKET}", headers={"Host": "s3.amazonaws.com"})
            assert connection.getresponse().status == 200
        except OSError:
            assert time.monotonic() < deadline, "the S3 server does not start"
            time.sleep(0.05)
        else:
            return


@dataclass
class Faults:
    """What the way does to each request, by its number.

    ``ok``, ``500``, ``403``, ``slow``, ``drop`` (half of the answer comes), ``late`` (it comes 0.3 s later),
    ``cut`` (none comes), ``hang`` (none comes for as long as that is said of the request).
    """

    plan: Callable[[int], str] = lambda _: "ok"
    done: list[str] = field(default_factory=list)


def _body(request: BaseHTTPRequestHandler) -> bytes | Iterator[bytes]:
    """What was sent; an upload comes in pieces."""
    if request.headers.get("Transfer-Encoding") != "chunked":
        return request.rfile.read(int(request.headers.get("Content-Length", 0)))
    pieces = []
    while length := int(request.rfile.readline(), 16):
        pieces.append(request.rfile.read(length))
        request.rfile.readline()
    request.rfile.readline()
    return iter(pieces)


class _Proxy(BaseHTTPRequestHandler):
    """Passes on to the server at ``port`` what ``faults`` leaves of it."""

    port: int
    faults: Faults
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def _refuse(self, fault: str) -> None:
        if fault in {"cut", "hang"}:
            self.close_connection = True
            return
        self.send_response(int(fault))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _pass_on(self) -> None:
        body = _body(self)
        fault = self.faults.plan(len(self.faults.done))
        number = len(self.faults.done)
        self.faults.done.append(fault)
        if fault == "late":
            time.sleep(0.3)
        elif fault in {"cut", "hang", "500", "403"}:
            while self.faults.plan(number) == "hang":
                time.sleep(0.05)
            self._refuse(fault)
            return
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "expect"}
        connection.request(self.command, self.path, body, headers, encode_chunked=True)
        answer = connection.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {"transfer-encoding", "connection", "date", "server"}:
                self.send_header(name, value)
        self.end_headers()
        if fault == "drop":
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
            return
        for begin in range(0, len(content), 4096):
            self.wfile.write(content[begin : begin + 4096])
            if fault == "slow":
                time.sleep(0.01)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass_on  # noqa: N815 - http.server's names


@contextmanager
def faulty_way(port: int, faults: Faults) -> Iterator[int]:
    """A proxy before the server at ``port``; its own port."""
    proxy = type("Proxy", (_Proxy,), {"port": port, "faults": faults})
    server = ThreadingHTTPServer(("127.0.0.1", 0), proxy)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
