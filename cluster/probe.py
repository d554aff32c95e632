"""Does a Ray head answer at an address, and does it take our token?

Asked by ``python -m cluster.probe ADDRESS``, a process of its own, because Ray's client retries for minutes
and may end the process it runs in.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from cluster.errors import ClusterError
from cluster.reach import check_reachable

JOIN_SECONDS = 15.0

_OK, _NO_CLUSTER, _NO_RAY, _REFUSED = 0, 3, 4, 5
_NO_ANSWER = (
    "{0}: something listens there, but no Ray cluster answers; give the head's own port (6379 unless changed)"
)
_SENTENCES = {
    _NO_CLUSTER: "no Ray cluster runs on this machine; give its address, or none to start one here",
    _REFUSED: "{0}: the Ray cluster refuses the token; set RAY_AUTH_TOKEN to the one it started with",
}


def joining() -> dict[str, str]:
    """A token that is there is meant to be used; Ray itself would wait to be told so."""
    known = any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    known = known or (Path.home() / ".ray" / "auth_token").is_file()
    return {"RAY_AUTH_MODE": os.environ.get("RAY_AUTH_MODE") or ("token" if known else "disabled")}


class Head(str):
    """The ``host:port`` of a head that has answered, and took our token, a moment ago."""

    __slots__ = ()


def find_cluster(address: str) -> Head:
    """The head at an address; ``auto``: this machine's.

    Raises:
        ClusterError: when there is none, within 15 s.
    """
    if isinstance(address, Head):
        return address
    if address != "auto":
        _check_address(address)
    try:
        asked = _probed(address, joining())
    except subprocess.TimeoutExpired:
        raise ClusterError(_NO_ANSWER.format(address)) from None
    if asked.returncode != _OK:
        raise ClusterError(_SENTENCES.get(asked.returncode, _NO_ANSWER).format(address))
    return Head(asked.stdout)


def takes_any_token(address: str) -> bool:
    """Whether the head at ``host:port`` lets in whoever asks."""
    stranger = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}
    try:
        return _probed(address, stranger).returncode == _OK
    except subprocess.TimeoutExpired:
        return False


def _probed(address: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-P", "-m", __name__, address],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=JOIN_SECONDS,
        check=False,
        env=os.environ | env,
    )


def _check_address(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise ClusterError(f"{address}: a cluster's address is auto or host:port, for example 10.0.0.5:6379")
    hint = "check the address and that the cluster is up"
    check_reachable(host.strip("[]"), int(port), what=f"the Ray cluster at {address}", hint=hint)


def main(address: str) -> int:
    """Print the ``host:port`` that ``address`` stands for and give one of this module's codes back."""
    from ray._private.services import canonicalize_bootstrap_address
    from ray._raylet import GcsClient  # type: ignore[attr-defined] # its types list half of it
    from ray.exceptions import AuthenticationError

    try:
        found = canonicalize_bootstrap_address(address)
    except ConnectionError:
        found = None
    if found is None:
        return _NO_CLUSTER
    sys.stdout.write(found)
    try:
        GcsClient(address=found)
    except AuthenticationError:
        return _REFUSED
    except Exception:  # noqa: BLE001 - Ray has a dozen kinds; all mean the same here
        return _NO_RAY
    return _OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
