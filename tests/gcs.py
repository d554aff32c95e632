"""A real server program that speaks Google Cloud Storage's protocol, on this machine."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

BUCKET = "bucket"


def uri(port: int, path: str) -> str:
    """What a user writes for a place in the bucket."""
    return f"gs://anonymous@{BUCKET}/{path}?scheme=http&endpoint_override=127.0.0.1:{port}"


@contextmanager
def gcs_server() -> Iterator[int]:
    """Start the emulator with an empty bucket; its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    options = [f"--port={port}", "--host=127.0.0.1", "--in-memory", f"--default-bucket={BUCKET}"]
    command = [sys.executable, "-m", "gcp_storage_emulator", "start", *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait(port)
            yield port
        finally:
            process.terminate()


def _wait(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", f"/storage/v1/b/{BUCKET}")
            assert connection.getresponse().status == 200
        except OSError:
            assert time.monotonic() < deadline, "the GCS server does not start"
            time.sleep(0.05)
        else:
            return
