"""``python -m cluster.probe ADDRESS``: does a Ray head answer there, and does it take our token?

A process of its own, because Ray's client retries for minutes and may end the process it runs in.
"""

from __future__ import annotations

import sys

OK, NO_CLUSTER, NO_ANSWER, REFUSED = 0, 3, 4, 5


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
        return NO_CLUSTER
    sys.stdout.write(found)
    try:
        GcsClient(address=found)
    except AuthenticationError:
        return REFUSED
    except Exception:  # noqa: BLE001 - Ray has a dozen kinds; all mean the same here
        return NO_ANSWER
    return OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
