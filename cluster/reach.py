"""Whether something listens at an address, answered quickly and in words."""

from __future__ import annotations

import socket

from cluster.errors import ClusterError

CONNECT_SECONDS = 5.0


def check_reachable(host: str, port: int, *, what: str, hint: str) -> None:
    """Open and close a connection.

    Raises:
        ClusterError: when nobody answers within 5 s; ``what`` names who should, ``hint`` says what to do.
    """
    try:
        socket.create_connection((host, port), timeout=CONNECT_SECONDS).close()
    except socket.gaierror:
        reason = "no machine of that name is known here"
    except TimeoutError:
        reason = f"no answer within {CONNECT_SECONDS:.0f} s"
    except ConnectionRefusedError:
        reason = "nothing listens there"
    except OSError as error:
        reason = error.strerror or str(error)
    else:
        return
    raise ClusterError(f"{what} cannot be reached: {reason}; {hint}")
