"""``python -m runner.recurring.webhook``: one document to one web address, from a process that can be ended.

No limit of ``requests`` holds for a host whose name is not found, or whose answer comes byte by byte.  The
address is read from standard input, as it may be a secret; nothing that is printed holds any of it.
"""

from __future__ import annotations

import json
import sys

import requests

DELIVERED, AWAY, REFUSED = 0, 3, 4  # exit codes: the second may go by
_SECONDS = 8.0  # between two bytes of the answer
_BUSY = frozenset({408, 425, 429})
_TROUBLES = (
    (requests.Timeout, AWAY, f"it does not answer within {_SECONDS:.0f} s"),
    (requests.exceptions.SSLError, REFUSED, "its certificate is not accepted here"),
    (requests.ConnectionError, AWAY, "it cannot be reached"),
    (Exception, REFUSED, "its address is none that can be asked"),
)


def send(url: str, document: object) -> tuple[int, str]:
    """Post it; the exit code, and why it was not delivered."""
    try:
        # What is answered beside the status is not read, however much it is.
        answer = requests.post(url, json=document, timeout=_SECONDS, allow_redirects=False, stream=True)
    except (requests.RequestException, ValueError) as error:
        return next((code, why) for kind, code, why in _TROUBLES if isinstance(error, kind))
    with answer:
        status = answer.status_code
    if 200 <= status < 300:
        return DELIVERED, ""
    if 300 <= status < 400:
        return REFUSED, f"it answers {status} and sends elsewhere; write the address that it moved to"
    return AWAY if status >= 500 or status in _BUSY else REFUSED, f"it answers {status}"


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    code, why = send(asked["url"], asked["document"])
    sys.stdout.write(why)
    sys.exit(code)
